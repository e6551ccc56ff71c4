// Package process starts programs that never outlive the process that started them, and a folder that never outlives them.
//
// A Group has one state folder and any number of processes. They end, and the folder goes, in every way that this process can end:
//
//   - Close: each process group is killed and awaited, then the folder is removed.
//   - A panic, os.Exit, SIGINT or SIGKILL of this process: the reaper, a shell in a session of its own that reads a pipe whose only other end
//     is here, sees the end of the pipe and does the same.
//   - Whatever the reaper is too late for: the kernel's parent-death signal, SIGKILL, to each process.
//
// The parent-death signal fires when the thread that forked ends, not the process, and Go ends threads. So one goroutine, locked to its thread for
// the life of the group, forks them all.
package process
