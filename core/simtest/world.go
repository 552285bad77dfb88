package simtest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// World is a mirror on two simulated nodes: a network that can be cut, a clock
// that only Advance moves, hooks that take a while, and, if the module is
// replicated, data that is written all the time.
type World struct {
	Nodes   [2]*Host
	Latency time.Duration // of a message
	Hook    time.Duration // how long a hook runs
	Pulse   time.Duration // between heartbeats
	Timeout time.Duration // silence after which the peer is lost
	CopyFor time.Duration // how long replication copies
	Steps   int           // calls of core.Step
	Trace   func(line string)
	Replay  bool           // each step is made again by an instance that was stored and read
	Seen    map[string]int // how often something happened: states that were entered, and splits

	now     time.Time
	queue   []happening
	serial  int
	severed [2]bool // what the node sends is lost
	writes  []write
	clash   time.Time // since when two primaries are in contact; zero: they are not
	Clashed time.Duration
	both    bool      // both hold the address
	calm    time.Time // when something was last done to network or power
	broken  error     // the first invariant that did not hold
}

// Host is one node of a world.
type Host struct {
	In       core.Instance
	Up       bool
	Kept     core.Kept
	Fails    map[string]int // hook → how many of the next calls fail
	number   int            // 0 or 1
	wipes    uint64
	life     int            // events of an earlier life are void
	asked    int            // the outstanding action, by serial; 0 is none
	armed    map[string]int // timers, by serial
	told     core.PeerState
	heard    time.Time
	lost     bool
	posted   core.PeerState
	started  map[string]bool // hooks start_x without their stop_x
	data     int             // the last write, an index into writes
	follows  bool            // replication copies what the primary writes
	copiedOf core.Generation
	forced   bool // an operator chose this node's data
}

// write is one write of an application; before is what it built upon.
type write struct{ before int }

type happening struct {
	at     time.Time
	serial int
	host   *Host // nil: a pulse of both
	life   int
	do     func()
}

// NewWorld makes two stopped nodes of a module that hear each other.
func NewWorld(m core.Module) *World {
	w := &World{
		Latency: time.Millisecond, Hook: 100 * time.Millisecond, Pulse: 200 * time.Millisecond, Timeout: time.Second, CopyFor: 2 * time.Second,
		Seen: map[string]int{},
		now:  time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), writes: []write{{before: -1}},
	}
	for i := range w.Nodes {
		m := m
		m.Mirror.Self, m.Mirror.Peer = core.NodeID(i+1), core.NodeID(2-i)
		m.Mirror.PeerName = fmt.Sprintf("node%d", 2-i)
		w.Nodes[i] = &Host{In: core.New(m), number: i, Fails: map[string]int{}}
		w.boot(w.Nodes[i])
	}
	w.calm = w.now
	w.pulse()
	return w
}

func (h *Host) name() string { return fmt.Sprintf("node%d", h.number+1) }

func (w *World) peer(h *Host) *Host { return w.Nodes[1-h.number] }

func (w *World) boot(h *Host) {
	in := core.New(h.In.Module).Restore(h.Kept)
	in.Held = h.In.Held
	h.In, h.Kept, h.Up, h.life = in, in.Kept(), true, h.life+1
	h.asked, h.armed, h.started = 0, map[string]int{}, map[string]bool{}
	h.told, h.posted, h.lost, h.heard, h.follows, h.copiedOf = core.PeerState{}, core.PeerState{}, true, w.now, false, core.Generation{}
	h.told = in.Statement()
}

func (w *World) crash(h *Host) {
	h.Up = false
	h.life++
}

func (w *World) say(h *Host, format string, args ...any) {
	if w.Trace != nil {
		w.Trace(fmt.Sprintf("%s %s ", w.now.Format("04:05.000"), h.name()) + fmt.Sprintf(format, args...))
	}
}

func (w *World) fail(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf(format, args...)
	}
}

// after plans something for a host's present life.
func (w *World) after(d time.Duration, h *Host, do func()) int {
	w.serial++
	ev := happening{at: w.now.Add(d), serial: w.serial, host: h, do: do}
	if h != nil {
		ev.life = h.life
	}
	i := len(w.queue)
	for i > 0 && w.queue[i-1].at.After(ev.at) {
		i--
	}
	w.queue = append(w.queue, happening{})
	copy(w.queue[i+1:], w.queue[i:])
	w.queue[i] = ev
	return w.serial
}

// Advance lets time pass.
func (w *World) Advance(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		ev := w.queue[0]
		w.queue = w.queue[1:]
		w.now = ev.at
		if ev.host == nil || ev.life == ev.host.life {
			ev.do()
		}
		w.watch()
	}
	w.now = end
	w.watch()
}

// Post gives an event to a node, and carries out what the node answers.
func (w *World) Post(h *Host, ev core.Event) {
	if !h.Up {
		return
	}
	ev.At = w.now
	w.Steps++
	if w.Replay {
		w.replay(h, ev)
	}
	before, blocked := h.In.Status(), h.In.BlockedBy
	next, actions, err := core.Step(h.In, ev)
	if refusal := new(core.Refusal); errors.As(err, &refusal) {
		w.say(h, "refuses: %s", err)
		return
	} else if err != nil {
		w.fail("%s: %w", h.name(), err)
		return
	}
	w.newPrimary(h, next)
	h.In, h.Kept = next, next.Kept()
	if next.State == core.Alone && next.Phase == core.Ready && next.Pair.Self.Data.Standing != core.StandingSole {
		w.fail("%s is ALONE with %s data: it could write nothing", h.name(), next.Pair.Self.Data.Standing)
	}
	for _, a := range actions {
		w.carryOut(h, a, &before)
	}
	if next.BlockedBy != blocked && next.BlockedBy != "" && next.Phase == core.NotReady {
		w.say(h, "  waits: %s", next.BlockedBy)
	}
	w.watch()
}

func (w *World) carryOut(h *Host, a core.Action, status *string) {
	switch a.Kind {
	case core.ActResource:
		w.Seen[a.Resource.Reason]++
		w.say(h, "%s -> %s (%s)", *status, a.Resource.Reason, a.Reason)
		*status = a.Resource.Reason
		return
	case core.ActPublish:
		h.told = *a.Peer
		w.send(h)
		return
	case core.ActTimer:
		delete(h.armed, a.Name)
		if a.After > 0 {
			var serial int
			serial = w.after(a.After, h, func() {
				if h.armed[a.Name] == serial {
					delete(h.armed, a.Name)
					w.Post(h, core.Event{Kind: core.EventTimer, Name: a.Name})
				}
			})
			h.armed[a.Name] = serial
		}
		return
	case core.ActCancel:
		return
	case core.ActHook:
		w.hookCalled(h, a.Hook)
	}
	if a.Kind != core.ActChecks {
		w.say(h, "  %s", describe(a))
	}
	w.answerLater(h, a)
}

// hookCalled holds that nothing is started twice.
func (w *World) hookCalled(h *Host, c core.HookCall) {
	kind, part, _ := strings.Cut(c.Name, "_")
	switch kind {
	case "start":
		if h.started[part] && h.In.Module.Hooks["stop_"+part] {
			w.fail("%s: %s is called again without stop_%s", h.name(), c.Name, part)
		}
		h.started[part] = true
	case "stop":
		h.started[part] = false
	}
}

func (w *World) answerLater(h *Host, a core.Action) {
	ev := core.Event{OK: true}
	switch a.Kind {
	case core.ActHook:
		ev.Kind, ev.Name = core.EventHook, a.Hook.Name
		if h.Fails[a.Hook.Name] > 0 {
			h.Fails[a.Hook.Name]--
			ev.OK, ev.Reason = false, "exit status 1"
		}
	case core.ActNetworkUp, core.ActNetworkDown, core.ActNetworkNew:
		ev.Kind = core.EventNetwork
	case core.ActReplicate:
		ev.Kind, ev.Name = core.EventReplica, string(a.Replica)
	default:
		return
	}
	var serial int
	until := w.now.Add(a.Hook.Timeout)
	var ended func()
	ended = func() {
		if h.asked != serial {
			return
		}
		if a.Kind == core.ActHook && w.held(h) { // it waits for what the application writes
			if w.now.Before(until) {
				serial = w.after(w.Pulse, h, ended)
				h.asked = serial
				return
			}
			w.fail("%s: hook %s waits for a write that nobody acknowledges", h.name(), a.Hook.Name)
		}
		h.asked = 0
		if a.Kind == core.ActReplicate {
			w.replicate(h, a.Replica)
		}
		w.Post(h, ev)
	}
	serial = w.after(w.Hook, h, ended)
	h.asked = serial
}

// pulse sends heartbeats, and finds who is silent.
func (w *World) pulse() {
	for _, h := range w.Nodes {
		if !h.Up {
			continue
		}
		w.send(h)
		if silent := w.now.Sub(h.heard); !h.lost && silent >= w.Timeout {
			h.lost = true
			w.Post(h, core.Event{Kind: core.EventPeerLost, Evidence: core.EvidenceSilent, Reason: fmt.Sprintf("no heartbeat for %s", w.Timeout)})
		}
	}
	w.after(w.Pulse, nil, w.pulse)
}

func (w *World) send(h *Host) {
	if w.severed[h.number] {
		return
	}
	told, to := h.told, w.peer(h)
	if to.Up && !to.lost && to.posted == told {
		to.heard = w.now // a repetition changes nothing else
		return
	}
	w.after(w.Latency, to, func() {
		if !to.Up {
			return
		}
		to.heard = w.now
		if to.lost || to.posted != told {
			to.lost, to.posted = false, told
			w.Post(to, core.Event{Kind: core.EventPeer, Peer: &told})
		}
	})
}

// contact reports that the nodes hear each other.
func (w *World) contact() bool {
	return w.Nodes[0].Up && w.Nodes[1].Up && !w.severed[0] && !w.severed[1]
}

func primary(h *Host) bool { return h.In.State == core.Alone || h.In.State == core.Prim }

// watch measures how long two primaries are in contact.
func (w *World) watch() {
	if a, b := w.Nodes[0], w.Nodes[1]; w.contact() && a.In.Network && b.In.Network && !w.both {
		w.both = true
		if since := w.now.Sub(w.calm); since > 5*time.Second {
			w.fail("both nodes hold the address, though nothing was wrong for %s", since)
		}
	} else if !a.In.Network || !b.In.Network {
		w.both = false
	}
	if !w.contact() || !primary(w.Nodes[0]) || !primary(w.Nodes[1]) {
		w.clash = time.Time{}
		return
	}
	if w.clash.IsZero() {
		w.clash = w.now
		w.Seen["split"]++
		if since := w.now.Sub(w.calm); since > 5*time.Second {
			w.fail("two primaries at once, though nothing was wrong for %s", since)
		}
	}
	w.Clashed = max(w.Clashed, w.now.Sub(w.clash))
}

// Broken is the first promise that was not kept.
func (w *World) Broken(bound time.Duration) error {
	if w.broken == nil && w.Clashed > bound {
		return fmt.Errorf("two primaries were in contact for %s", w.Clashed)
	}
	return w.broken
}
