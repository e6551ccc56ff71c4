// Package store writes secrets into Vault as the records that Greentic's workers and the provider read.
//
// Every record has its own data key, made here and wrapped by Vault's transit engine, so the values themselves never pass through
// transit. Every write is a check-and-set against the version that was read before it: what somebody else wrote in between is never
// covered up. Nothing in this package prints a value, and no error holds one.
package store
