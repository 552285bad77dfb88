// Package replication keeps a module's folders the same on two nodes.
//
// A Replicator is one module's on one node. The state machine (core) tells it to be
// primary, secondary or neither, and is told what it has to know: that the copy is being
// overwritten, that it is complete, that this is over. As primary it mounts the file systems,
// records, and sends to the secondary what that lacks and then each operation; as secondary
// it dials the primary and follows.
//
// Which node is primary is core's to say, by its own generations; what has to be copied
// is said by those of mirror, which lie with the data. DESIGN.md tells why there are two.
//
// It runs on Linux.
package replication
