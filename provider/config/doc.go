// Package config is the provider's configuration: which Vaults there are, for whom, and which badges prove which scopes.
//
//	apiVersion: greentic.ai/v1alpha1
//	kind: ProviderConfig
//	layout: scope              # or environment
//	vaults:                    # connections; the first is the default
//	- name: default
//	  addresses: [https://vault.vault.svc:8200]
//	  namespace: ""            # of Vault Enterprise or OpenBao
//	  authMethod: kubernetes   # or jwt
//	  authMount: kubernetes    # the method's name unless given
//	  audience: vault
//	  caCert: |                # PEM; or caCertFile; neither is the system's authorities, or Mozilla's where it has none
//	  kvMount: secret
//	  kvPrefix: greentic
//	  transitMount: transit
//	  transitKey: greentic
//	  scopes: ["*/*/*"]        # what this connection serves
//	refresh:                   # of volumes that are mounted already
//	  interval: 5m             # how old values may be; or always
//	  minimum: 1m              # the least that a class's refreshInterval may ask for
//	  allowAlways: false       # whether a class may ask for always
//	  maxStale: 1h             # how old values may be while Vault does not answer; 0s: not older than interval
//	  podSilence: 15m          # after which a pod that is not heard of is forgotten
//	  onDenied: keep           # or remove: the files of what Vault refuses a running pod
//	  noRepublish: false       # true where the driver's rotation is off: leased objects are refused, because nothing could replace them
//	badges: []                 # namespace, serviceAccount, scope
//	rawPaths:                  # Vault paths besides references; package rawpath has their grammar
//	- path: database/creds/{role}
//	  kind: lease              # value (the default): read again and again; lease and certificate: made for each pod
//	  method: read             # or write; a certificate's is write unless given
//	  args: []                 # names of what a class may send with it
//	  scopes: ["*/*/*"]        # whom it is for
//	  vault: default           # the connection; the first unless given
//
// It is read strictly, and everything that is wrong with it is told at once, with field paths. What aims a token or a path is only here
// and never in a class: whoever writes a class must not choose where a pod's token goes. An audience belongs to one connection, so that
// a token that one Vault was shown opens nothing at another; and it is never the API server's own.
package config
