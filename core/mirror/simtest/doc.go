// Package simtest simulates two nodes of a mirror with the parts that run in the product:
// primary.Recorder, the record of zones, the stream, and the machines of mirror. What is
// played is around them: disks that lose what was not synced, connections whose bytes arrive
// when the story says so and of which several may be on their way, programs that write and
// sync, and the cluster that chooses. It holds tests only.
//
// A story is text, one step a line. Nothing that takes time ends by itself: each sync of a
// disk and each byte of a connection waits for a step, so that a crash can come at every
// point of every protocol step. Stories that once failed are in testdata, and are played
// again by each run.
package simtest
