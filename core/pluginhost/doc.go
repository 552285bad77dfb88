// Package pluginhost finds, starts, watches and restarts plugins.
//
// Every plugin runs in a process of its own kind of program: this binary again
// for what is built in, another executable for the rest. A program starts when
// one of its plugins is first used and then stays; when its process dies it
// is started again after a pause that doubles from 100 ms to 30 s. Meanwhile
// nobody can tell what its checkers would find, so their results are unknown,
// with the reason, and running watches go on by themselves in the new process.
//
//	idle ──first use──► starting ──ready──► running
//	                       ▲  │                │
//	                       │  └─fails─► dead ◄─┘ dies, or does not answer
//	                       └──── pause ──┘
//
// A process is known by the handle that starting it gave, never by a stored
// number.
package pluginhost
