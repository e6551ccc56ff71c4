// Package session is what the provider remembers of the pods' volumes, so that a quiet cluster is quiet at Vault.
//
// The driver asks again for every volume every 60 to 90 s, for ever. A session is one pod's volume: who the pod is, what it asks for, a
// digest of the token that Vault was shown for it, and when it was last heard of. Store.Answer is the whole of it:
//
//	same pod, same request, same token, answer still young   the answer from memory; Vault hears nothing
//	the very same call, byte by byte                         as above, and nobody looks into it: Store.Again
//	another token of the same pod                            Vault is shown it first; then as above
//	the answer is old                                        read again, together with whoever asks for the same
//	a first mount                                            log in; a read that begins after the mount did
//	the same of a pod that is older than the Store           log in; a read that the Store has begun
//	Vault does not answer a refresh                          the last answer, up to a bound, and said so
//	Vault refuses a refresh (403, 404)                       the memory is wiped
//	what was made for the pod (package lease) is replaced    read again
//
// Volumes of one badge that ask for the same share one answer: a group. One read of a group is on its way at a time. Whoever needs a
// younger one waits for the next, which all who wait then share; so replicas that start at once cost one read or two, and yet a mount
// is never answered with what was read before it began. Each pod logs in for itself, and no pod's refusal decides for another.
//
// A group is read at moments of its own, spread evenly over the refresh interval, whatever the groups have been through together.
//
// Answers are opaque bytes here, copied in and out, and overwritten with zeros when the last session of their group ends.
package session
