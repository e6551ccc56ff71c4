// Package process starts a program and does for it what the first process of a container must do.
//
// The kernel gives PID 1 two duties that no other process has: it inherits every orphan of the container and must reap it, and a signal
// that it does not listen to is lost. So the program is started as a child, every signal is passed on to it, every orphan is reaped,
// and the end is the program's own: its exit code, or 128 and the number of the signal that killed it, as a shell reports it. A program
// whose variables have changed can be ended and started again in its place.
package process
