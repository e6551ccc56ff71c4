// Package podwatch tells which pods of a node have ended: the positive knowledge without which nothing of a pod may be revoked.
//
// It lists and watches the pods that the API server has for the node, by plain REST. A pod has ended if
//
//	the watch says that it is deleted, or that its phase is Succeeded or Failed (the API server leaves those out of the watch)
//	a later list, read to its end, has it no more
//
// and it was seen on this node before. All else ends no pod: silence, a refusal, an answer that cannot be understood, half a list, or
// the wrong node's name. A deletionTimestamp does not either: the containers may be using their credentials while they terminate. A pod
// is its UID: another one of the same name is another pod.
//
// Of each pod the API server is asked for its metadata alone, so no variable and no command of anybody's pod comes here, and of that
// only the namespace, the name and the UID are read.
package podwatch
