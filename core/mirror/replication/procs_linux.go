package replication

import "runtime"

// procs is how many system calls may be under way before the rest of the process waits.
const procs = 8

// enoughProcs gives the runtime that many processors. Most of what is done here are system calls
// that wait: for the kernel's next request, for the disk. One keeps its processor, and until the
// runtime looks, after up to 10 ms, nobody else has it: with two processors a message of the
// peer waited for that.
func enoughProcs() {
	if runtime.GOMAXPROCS(0) < procs {
		runtime.GOMAXPROCS(procs)
	}
}
