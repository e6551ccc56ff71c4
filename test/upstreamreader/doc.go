// Package upstreamreader reads a dev-store as an unmodified Greentic worker does, to stand in for one in tests.
//
// It is written from what Greentic's own reader is known to do and shares no code with the product, so that a file that both of them
// misunderstand in the same way cannot pass:
//
//   - The file is opened for reading and writing, is created where it is absent, and is locked exclusively while it is loaded, each time.
//     So it can live neither on a read-only mount nor in a folder where the worker may not write.
//   - The first line SECRETS_BACKEND_STATE=… counts: base64 without padding, then JSON with every byte as a number.
//   - A key is looked up by the text of its URI. Its last version counts; if that is a deletion, there is no secret.
//   - A data key is uncovered by XOR with SHA-256 of the master key, and then *remembered by environment, tenant, team and category*:
//     the next secret of the same place is opened with the remembered key, whatever key it was sealed with.
//
// Source: greentic-secrets, providers/greentic-dev (load, get), greentic-secrets-core crypto/envelope.rs and crypto/dek_cache.rs,
// greentic-secrets-spec uri.rs.
package upstreamreader
