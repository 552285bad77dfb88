// Package cluster carries membership and messages between the nodes. It is the
// only importer of memberlist.
//
// A Cluster tells, through one channel of events, who joined and left and what
// they say of themselves, and carries messages: Send (TCP), SendFast (UDP),
// Broadcast (both), and Call, which waits for the answer of a handler at the
// other end. NewMemory makes the same in one process, for tests.
//
// Two things it does not do. It does not decide failures: what memberlist
// believes of a node is a hint (a node that was cut off spreads its wrong
// beliefs when it comes back), the heartbeat decides. And it keeps no order
// between messages: each travels on its own connection. Whoever needs an order
// puts an epoch into the payload.
//
// Who belongs to the cluster is not found out by gossip either: it is what the
// configuration says (UpdatePeers). Others are neither listed nor heard, even
// if they have the key. To the configured ones a node returns by itself, for
// ever.
package cluster
