// Package heartbeat tells which nodes of the cluster are alive.
//
// Every node sends a small authenticated packet ("beat") to every other node,
// on every configured network, once per interval (20 ms), and at once when it
// has something new to say. A node that is silent on all networks for the
// timeout (100 ms) is lost, under the conditions that Kind's Lost names.
//
// # Lease
//
// With each beat the node gives its own packet filter a lease of one timeout
// (Options.OnBeat). The two numbers are one: a peer calls a node lost no
// earlier than one timeout after the last beat that it received, and the
// lease that went with that beat ends one timeout after it was sent. A node
// whose process is killed, hangs or is stopped therefore stops serving before
// somebody else starts.
//
// If this node was itself too slow to renew in time, the lease has run out and
// the others may have taken its share. The event LeaseLapsed says so, and from
// then on OnBeat is not called until the owner calls Heartbeat.Resume: only
// the owner can know whether the tables of the cluster still name this node.
// Beats go on meanwhile, so the others see that the node lives.
//
// # Notes
//
// Besides the digest, which goes with each beat, a node can tell notes (SetNote): each
// has a packet of its own, and all nodes hear the latest. The statements of a mirror's
// nodes travel so, on the very networks whose silence decides, and in the order in
// which they were made.
//
// # Parts
//
// detector (detector.go, judge.go, host.go) decides; it has neither clock nor
// sockets and is tested in virtual time. engine connects it with packets and
// callbacks. loop_linux.go is one locked thread that polls, drains every
// socket and only then lets the detector judge; loop_other.go is a plainer
// loop for other systems, which cannot ask the peers' kernels.
//
// # Limits
//
// Packets are encrypted with a key of the cluster, so a stranger can neither
// read nor forge them, and a recorded packet is refused as soon as a newer one
// of its sender is known. A node that has just started knows none yet: whoever
// can record and send on the cluster's networks can make a dead peer look
// alive to it until a real packet of that peer arrives. ICMP answers and
// refusals are not authenticated; they colour a verdict but never replace the
// silence that it needs.
package heartbeat
