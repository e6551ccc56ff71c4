// Package build compiles the servers of the tests, once.
//
// Each server is a Go module of its own that pins one version of one program. Its binary stands in a cache folder under a name that is the hash of
// all that it was made from: the module's files, the Go toolchain and the flags. Whatever changes one of them makes another folder; nothing is ever
// overwritten. A file lock lets one process build at a time on a machine: the next finds what the first has made.
package build
