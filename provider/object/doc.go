// Package object turns what Vault holds into the files that a class asks for.
//
// A record's file is its value, or the field of its JSON that the object's key names. A plain KV secret's file is the field "value", or
// the one that key names. A field that is a JSON string is its text, any other value its JSON. An empty value is an empty file.
//
// A version tells the driver that contents changed, and stands in the API server for everybody who may read
// SecretProviderClassPodStatuses. So it is never made of a value alone: it is KV's own version and time with a digest of the object's
// definition, or, where Vault names no version, an HMAC with a key that this process threw dice for.
package object
