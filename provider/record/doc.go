// Package record opens and seals secrets as Greentic stores them.
//
// In Vault a secret is one version of a KV v2 path whose data has a single field, "record": base64 of
//
//	{"meta":     {"uri": "secrets://…", "visibility": "team", "contentType": "text", "description"?, "tags"?},
//	 "envelope": {"algorithm": "aes256gcm", "nonce", "hkdf_salt", "wrapped_dek"},
//	 "value": …}
//
// with the bytes in base64 too. wrapped_dek is the record's data key, a ciphertext of Vault's transit engine ("vault:v1:…"). The
// content key is HKDF-SHA256 of the data key, with hkdf_salt and, as info, the text of meta.uri; value is AES-256-GCM under it, the tag
// at its end, no additional data. The algorithm "xchacha" is the same with a nonce of 24 bytes, of which the first 12 are used. A
// deleted secret is a version whose data is {"__greentic_deleted": true}.
//
// The info is the record's own meta.uri, so a record that was copied to another path still opens there. ParseKV therefore refuses a
// record of another secret than the one asked for.
//
// A developer's machine keeps the same records in one file, the dev-store, with bytes as lists of numbers and data keys that are merely
// XORed with SHA-256 of a master key, which is empty unless somebody set it. ReadDevStore and WriteDevStore know that file.
//
// The formats are those of greentic-secrets: providers/greentic-vault-kv, providers/greentic-dev, greentic-secrets-core
// (crypto/envelope.rs) and greentic-secrets-spec (types.rs).
package record
