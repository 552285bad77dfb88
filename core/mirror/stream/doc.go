// Package stream carries file operations from a primary to its secondary, in one
// order.
//
// The primary's Sender numbers the operations, holds a bounded window of those that
// are not applied yet, and blocks when it is full: nothing is dropped. The
// secondary's Receiver applies them strictly in that order, so that its copy is at
// every moment one that the primary went through. It acknowledges what is applied
// (cumulatively: one number) and, for each Fsync, what is durable. Syncs run beside
// the operations, and those of a file that wait while another runs are merged (group
// commit). What an application's call waits for is said by Mode: that goes at once, and
// what nobody waits for with it, or a moment later (Put).
//
//	Sender                                        Receiver
//	hello ─────────────────────────────────────▶
//	      ◀───────────────────────────────────── hello
//	operation 1, 2, 3 … ───────────────────────▶  FileSystem.Apply
//	      ◀───── applied 3 · durable 2 · failed ─
//
// The connection is any io.ReadWriteCloser. It is neither encrypted nor
// authenticated here: the daemon is to give a TLS connection.
//
// A session is one connection. When it breaks, both ends stop for good, and what the
// secondary lacks is found by generations and dirty zones (mirror, mirror/zones).
package stream
