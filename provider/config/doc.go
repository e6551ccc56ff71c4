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
//	  caCert: |                # PEM; or caCertFile; neither is the system's authorities
//	  kvMount: secret
//	  kvPrefix: greentic
//	  transitMount: transit
//	  transitKey: greentic
//	  scopes: ["*/*/*"]        # what this connection serves
//	badges: []                 # namespace, serviceAccount, scope
//	rawPaths: []
//
// It is read strictly, and everything that is wrong with it is told at once, with field paths. What aims a token or a path is only here
// and never in a class: whoever writes a class must not choose where a pod's token goes. An audience belongs to one connection, so that
// a token that one Vault was shown opens nothing at another; and it is never the API server's own.
package config
