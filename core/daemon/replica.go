package daemon

import "github.com/orchestrator-ha/orchestrator/core"

// replica keeps the copy of a mirror's data on this node. What it finds out without
// being asked it tells by the function that it was made with, as an EventReplica whose
// Name is one of core.ReplicaNews.
type replica interface {
	// Order begins to carry out an order and returns at once. answer is called once,
	// with an EventReplica whose Name is the order. full copies everything, whatever is
	// known to be the same.
	Order(order core.ReplicaOrder, full bool, answer func(core.Event))
	Close() error
}

// replicate carries out an order, if this module has something to replicate.
func (mod *module) replicate(a core.Action, answer func(core.Event)) {
	if mod.replica == nil {
		answer(core.Event{Kind: core.EventReplica, Name: string(a.Replica), Reason: "this version of the program replicates nothing"})
		return
	}
	mod.replica.Order(a.Replica, a.Full, answer)
}
