// Package secretref is the grammar of Greentic's secret references.
//
//	secret://<env>/<tenant>/<team>/<category>/<name>[@<version>]
//
// "secrets://" is the same thing written as a store URI. There are exactly five segments, each of 1 to 128 bytes out of
// "a-z", "0-9", ".", "_" and "-". No segment is "." or starts with "..", so that a segment can never walk a path. "_" stands only in
// the team's place and means the whole tenant; a team "default", in any case, is the same as "_". A version is one to nine digits,
// the first of them not 0. No white space is trimmed and nothing is guessed: what is not a reference is a named error, one per rule.
//
// The rules are Greentic's own grammar (greentic-secrets-spec, uri.rs and refs.rs) made stricter where upstream's would let a
// segment change the meaning of a path.
package secretref
