// Package link connects the two nodes of a mirror: TLS 1.3 with the cluster's keys, one
// port per node for all modules, and a greeting in which each side says what it is and why it
// refuses the other.
//
//	dialer                                  port
//	TLS, both with their certificates
//	Hello ────────────────────────────────▶
//	      ◀──────────────────────────────── Hello, or the reason of a refusal
//	verdict: nothing, or the reason ───────▶
//
// The secondary dials. After the greeting the connection belongs to mirror/stream.
package link
