// Package params reads what a SecretProviderClass asks for, and writes it.
//
//	scope: prod/acme/sales
//	vault: default
//	objects: |
//	  - ref: secret://prod/acme/sales/messaging-slack/slack_bot_token
//	  - ref: secret://prod/acme/_/openai/api_key
//	    file: openai.key
//	    mode: 0400
//	    optional: true
//
// Parameters are strings, and objects is YAML inside one. The table of this package is their only definition: Decode and Encode
// follow it, and the README's table is made of it. Decode is strict, because a class is written by a person and a typing error that
// is passed over is found at night: unknown names, repeated names, YAML's aliases and tags, and files that the driver would not write
// are faults, all of them reported at once with their field paths. Parameters that aim a token or a path (addresses, mounts, keys)
// do not exist here: they belong to the operator's configuration.
//
// A pod can override each parameter by its volumeAttributes, so nothing here is proof of anything; package badge decides what a pod
// may have.
package params
