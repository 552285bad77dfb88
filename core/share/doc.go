// Package share decides which node of a farm owns which bucket of connections,
// and moves buckets between nodes without breaking one. It is pure: no clock,
// no network; time and messages are inputs, effects are outputs.
//
// A View is one agreed state: the members, their weights, and for each group a
// table of Buckets rows. A row names the owner and up to three previous owners
// that may still have connections in the bucket. Unplanned changes are pure
// functions on the view that every survivor applies by itself (View.Fail);
// planned ones are made by a coordinator (Machine) in steps with a barrier between
// them: prepare, then commit, in invisible mode with one more before it (Handover).
// See docs/architecture.md, Hand-over.
package share
