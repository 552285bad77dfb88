package simtest

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// replicate plays the replication that a module asks for.
func (w *World) replicate(h *Host, order core.ReplicaOrder) {
	h.follows, h.copiedOf = false, core.Generation{}
	if order == core.ReplicateSecond {
		h.follows = true
		w.copyLater(h)
	}
}

// copyLater copies the primary's data as soon as there is one in contact. While
// it is being copied the data belongs to no moment.
func (w *World) copyLater(h *Host) {
	p := w.peer(h)
	if !h.follows || h.copiedOf != (core.Generation{}) {
		return
	}
	if !w.contact() || !primary(p) {
		w.after(w.Pulse, h, func() { w.copyLater(h) })
		return
	}
	generation := p.In.Pair.Self.Data.Generation
	if h.data == p.data && h.In.Pair.Self.Data.Generation == generation && h.In.Pair.Self.Data.Standing == core.StandingShared {
		w.copied(h, generation) // after a swap there is nothing to do
		return
	}
	w.Post(h, core.Event{Kind: core.EventReplica, Name: string(core.ReplicaCopying)})
	w.after(w.CopyFor, h, func() {
		if !h.follows {
			return
		}
		if !w.contact() || !primary(p) || p.In.Pair.Self.Data.Generation != generation {
			w.copyLater(h)
			return
		}
		h.data = p.data
		w.copied(h, generation)
	})
}

// copied begins what both must know of: each write waits for the other node.
func (w *World) copied(h *Host, g core.Generation) {
	for _, n := range []*Host{h, w.peer(h)} {
		n.copiedOf = g
		w.Post(n, core.Event{Kind: core.EventReplica, Name: string(core.ReplicaCopied), Generation: g})
	}
}

// Write lets each primary write once. What a shared primary writes is on both
// nodes, or it is not acknowledged.
func (w *World) Write() {
	for _, h := range w.Nodes {
		if !h.Up || !primary(h) {
			continue
		}
		p, g, both := w.peer(h), h.In.Pair.Self.Data.Generation, w.mirrors(h)
		if !both && h.copiedOf == g && h.In.Pair.Self.Data.Standing != core.StandingShared {
			w.disconnect(h)
		}
		if !both && h.In.Pair.Self.Data.Standing == core.StandingShared {
			continue
		}
		w.writes = append(w.writes, write{before: h.data})
		h.data = len(w.writes) - 1
		if both {
			p.data = h.data
		}
	}
}

// held reports that a primary may acknowledge no write: the other node became an equal, and
// does not get it.
func (w *World) held(h *Host) bool {
	s := h.In.Pair.Self
	return primary(h) && !h.told.Leaving && h.copiedOf == s.Data.Generation && h.copiedOf != (core.Generation{}) && s.Data.Standing == core.StandingShared && !w.mirrors(h)
}

// mirrors reports that the other node gets what a primary writes.
func (w *World) mirrors(h *Host) bool {
	p, g := w.peer(h), h.In.Pair.Self.Data.Generation
	return w.contact() && p.follows && p.copiedOf == g && h.copiedOf == g
}

// disconnect ends the replication of a primary; the other node learns of it
// when it can be reached, and copies again.
func (w *World) disconnect(h *Host) {
	h.copiedOf = core.Generation{}
	w.Post(h, core.Event{Kind: core.EventReplica, Name: string(core.ReplicaLost)})
	p := w.peer(h)
	if p.follows {
		p.copiedOf = core.Generation{}
		w.Post(p, core.Event{Kind: core.EventReplica, Name: string(core.ReplicaLost)})
		w.copyLater(p)
	}
}

// behind reports that b has all that a has, and more.
func (w *World) behind(a, b int) bool {
	for b > a {
		b = w.writes[b].before
	}
	return a == b
}

// newPrimary holds that a node with outdated data does not become primary
// unforced. A secondary cannot know that a primary which it does not hear goes
// on: without a witness both do, and this is not held against it.
func (w *World) newPrimary(h *Host, next core.Instance) {
	becomes := !primary(h) && (next.State == core.Alone || next.State == core.Prim)
	p := w.peer(h)
	cutOff := h.In.State == core.Second && !w.contactBefore(h)
	if _, ok := next.Synced(w.now); ok && next.Module.Mirror.SyncDelta > 0 && !w.contactBefore(h) {
		cutOff = true // the configuration takes what is a little older
	}
	if becomes && next.Module.Mirror.Replicated && !h.forced && !cutOff && h.data != p.data && w.behind(h.data, p.data) {
		w.fail("%s becomes %s with write %d, but %s has write %d, which follows it", h.name(), next.State, h.data, p.name(), p.data)
	}
	h.forced = h.forced && !becomes
	if next.Pair.Self.Data.Generation.Node == next.Module.Mirror.Self && next.Pair.Self.Data.Generation != h.In.Pair.Self.Data.Generation {
		w.writes = append(w.writes, write{before: h.data}) // a generation begins with a write, so that it differs
		h.data = len(w.writes) - 1
	}
}

// contactBefore reports that the node was in contact until a moment ago, so
// that it had to know.
func (w *World) contactBefore(h *Host) bool { return w.now.Sub(h.heard) < 2*w.Pulse+time.Millisecond }
