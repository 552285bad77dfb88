package simtest

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// repair makes network, power, hooks and replication whole.
func (w *World) repair() {
	w.severed, w.Latency, w.Hook = [2]bool{}, time.Millisecond, 100*time.Millisecond
	for _, h := range w.Nodes {
		if !h.Up {
			w.boot(h)
		}
		clear(h.Fails)
		if h.In.Degraded() {
			w.Post(h, core.Event{Kind: core.EventReplica, Name: string(core.ReplicaRepaired)})
		}
		w.command(h, core.VerbFailoverOn)
	}
}

// healthy lets all checks say that they are content.
func (w *World) healthy() {
	for _, h := range w.Nodes {
		for _, c := range h.In.Module.Checks {
			w.Post(h, core.Event{Kind: core.EventResource, Resource: core.Resource{Name: c.Resource, Value: core.ResUp, Since: w.now}})
		}
	}
}

func (w *World) command(h *Host, v core.Verb) {
	h.forced = h.forced || v == core.VerbPrim || v == core.VerbPrimForce
	w.Post(h, core.Event{Kind: core.EventCommand, Verb: v, By: "root"})
}

// rescue is what an operator does who wants node1's data whatever happened.
func (s *PairScenario) rescue([]string, string) error {
	w := s.World
	w.repair()
	w.command(w.Nodes[0], core.VerbStop)
	w.command(w.Nodes[1], core.VerbStop)
	w.Advance(20 * time.Second)
	for i, v := range []core.Verb{core.VerbPrimForce, core.VerbStart} {
		w.command(w.Nodes[i], v)
		w.Advance(3 * time.Second)
		w.healthy()
		w.Advance(10 * time.Second)
	}
	w.Write()
	w.Advance(20 * time.Second)
	return nil
}

// mend makes all whole and lets the pair find its roles by itself.
func (s *PairScenario) mend([]string, string) error {
	w := s.World
	w.repair()
	w.Advance(10 * time.Second)
	w.command(w.Nodes[0], core.VerbStart)
	w.command(w.Nodes[1], core.VerbStart)
	for range 8 {
		w.Advance(6 * time.Second)
		w.healthy()
	}
	return nil
}
