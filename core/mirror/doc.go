// Package mirror decides which of two copies of replicated directories is
// current, what must be copied on reconnection, and when a node may serve. It
// is pure: no clock, no files, no network; random numbers and what happened are
// inputs, effects are outputs.
//
// Every copy carries Generations: identifiers in the manner of DRBD 9 (LINBIT,
// DRBD User's Guide, "Generation identifiers"), stored with it and never compared
// by age or clock. Compare says how two copies relate, Rule which of them is the source,
// Generations.Promote whether a node could become primary by them alone, and Primary orders
// what must be on disk before what is acknowledged.
//
// The packages below do the work: mirror/stream carries operations to the other
// node, mirror/zones remembers what the other node may lack, mirror/fs is the file
// system in front of the directory, and mirror/replication puts them together.
package mirror
