package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	hookStart = "start_both"
	hookStop  = "stop_both"
)

// world is what an instance acts upon: it answers, and holds what must always
// be true.
type world struct {
	t       *rapid.T
	in      Instance
	now     time.Time
	asked   *Action
	network bool
	open    bool
	checks  map[When]bool
	ready   bool // start_both ended well, and nothing stopped it since
	owed    bool // start_both was called, and stop_both not since
	ups     int

	owedPrim bool
}

func drawModule(t *rapid.T) Module {
	m := Module{Name: "m", Mode: rapid.SampledFrom([]Mode{Farm, Light}).Draw(t, "mode"), Hooks: map[string]bool{}}
	m.Shared = m.Mode == Farm
	for _, h := range []string{hookTransition, hookPrestart, hookPoststop, hookUpdate} {
		m.Hooks[h] = rapid.Bool().Draw(t, h)
	}
	app := rapid.SampledFrom([]int{3, 3, 3, 2, 1, 0}).Draw(t, "application hooks")
	m.Hooks[hookStart], m.Hooks[hookStop] = app&1 != 0, app&2 != 0
	for _, h := range []string{"start_prim", "stop_prim", "stop_sec"} {
		m.Hooks[h] = rapid.Bool().Draw(t, h)
	}
	m.Reboot = rapid.Bool().Draw(t, "reboot")
	m.MaxLoop = rapid.IntRange(0, 3).Draw(t, "maxloop")
	m.LoopInterval = rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "loop_interval")
	m.LeaveTimeout = rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "leave_timeout")
	m.Checks = []Check{{Resource: "ping.gw", When: WhenPre, Action: VerbWait}}
	for i, a := range []Verb{VerbRestart, VerbStopStart, VerbStop, VerbWait, VerbNone} {
		if rapid.Bool().Draw(t, "check "+string(a)) {
			m.Checks = append(m.Checks, Check{Resource: fmt.Sprintf("tcp.%d", i), When: WhenBoth, Action: a})
		}
	}
	return m
}

func (w *world) post(ev Event) {
	ev.At = w.now
	before := marshal(w.t, w.in)
	next, actions, err := Step(w.in, ev)
	if after := marshal(w.t, w.in); before != after {
		w.t.Fatalf("%v changed its input:\n%s\n%s", ev, before, after)
	}
	w.replay(before, ev, next, actions)
	if err != nil {
		if refused := new(Refusal); ev.Kind != EventCommand || !errors.As(err, &refused) {
			w.t.Fatalf("%+v: %v", ev, err)
		}
		return
	}
	w.in = next
	if w.waits() && !next.Asked.waits() {
		w.asked = nil // given up waiting for
	}
	for _, a := range actions {
		w.carryOut(a)
	}
	if (w.asked != nil) != (next.Asked.Kind != "") {
		w.t.Fatalf("asked %+v, but the instance waits for %+v", w.asked, next.Asked)
	}
	if next.State == Stop && next.Settled() {
		w.nothingLeft()
	}
}

// replay checks that an instance that was stored and read again does the same.
func (w *world) replay(stored string, ev Event, next Instance, actions []Action) {
	var in Instance
	if err := json.Unmarshal([]byte(stored), &in); err != nil {
		w.t.Fatal(err)
	}
	next2, actions2, _ := Step(in, ev)
	if a, b := marshal(w.t, next), marshal(w.t, next2); a != b {
		w.t.Fatalf("a stored instance goes another way:\n%s\n%s", a, b)
	}
	if a, b := marshal(w.t, actions), marshal(w.t, actions2); a != b {
		w.t.Fatalf("a stored instance acts in another way:\n%s\n%s", a, b)
	}
}

func marshal(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (w *world) carryOut(a Action) {
	switch a.Kind {
	case ActHook, ActNetworkUp, ActNetworkDown, ActNetworkNew, ActShare:
		if w.asked != nil && !(a.Kind == ActShare && w.waits()) {
			w.t.Fatalf("%+v asked while %+v is outstanding", a, *w.asked)
		}
		w.asked = &a
	}
	switch a.Kind {
	case ActHook:
		w.hook(a.Hook)
	case ActNetworkUp:
		w.network = true
	case ActNetworkDown:
		w.network = false
	case ActNetworkNew:
		if !w.network {
			w.t.Fatal("addresses changed, but there is no network")
		}
	case ActShare:
		w.open = a.Share == ShareOpen || a.Share == ShareUndrain
		if (w.open || a.Share == ShareDrain) && w.in.Module.Hooks[hookStart] && !w.ready {
			w.t.Fatalf("share %s, but the application was not started", a.Share)
		}
		if w.open && !w.network {
			w.t.Fatal("share open without network")
		}
	case ActChecks:
		if w.checks[a.When] == a.Start {
			w.t.Fatalf("checks %s: start %t twice", a.When, a.Start)
		}
		w.checks[a.When] = a.Start
	}
	if a.Reason == "" {
		w.t.Fatalf("%+v has no reason", a)
	}
}

// waits reports that a share order is outstanding that may be replaced.
func (w *world) waits() bool {
	return w.asked != nil && (Task{Kind: TaskShare, Share: w.asked.Share}).waits()
}

func (w *world) hook(h HookCall) {
	switch h.Name {
	case hookStart:
		if w.owed && w.in.Module.Hooks[hookStop] {
			w.t.Fatal("start hook called again without its stop hook")
		}
		w.owed, w.ready = true, false
	case hookStop:
		if w.open {
			w.t.Fatal("stop hook called while the share is open")
		}
		w.owed, w.ready = false, false
	case "start_prim":
		if w.owedPrim && w.in.Module.Hooks["stop_prim"] {
			w.t.Fatal("start_prim called again without stop_prim")
		}
		w.owedPrim = true
	case "stop_prim":
		w.owedPrim = false
	}
}

// answer answers the outstanding action.
func (w *world) answer(ok bool) {
	a := *w.asked
	w.asked = nil
	ev := Event{OK: ok, Reason: "as drawn"}
	switch a.Kind {
	case ActHook:
		ev.Kind, ev.Name = EventHook, a.Hook.Name
		if a.Hook.Name == hookStart {
			w.ready = ok
		}
	case ActShare:
		ev.Kind, ev.Name = EventShare, string(a.Share)
	default:
		ev.Kind = EventNetwork
	}
	w.post(ev)
}

func (w *world) nothingLeft() {
	if w.network || w.open || w.checks[WhenPre] || w.checks[WhenBoth] || w.in.Started {
		w.t.Fatalf("STOP, but network %t, share open %t, checks %v, application %t", w.network, w.open, w.checks, w.in.Started)
	}
}

// Verbs and events are listed several times where they lead further.
var (
	someVerbs  = []Verb{VerbStart, VerbRestart, VerbStop, VerbForceStop, VerbStopStart, VerbDrain, VerbUndrain, VerbWait, VerbWakeup, VerbIncLoop, VerbResetLoop}
	someEvents = []string{"answer", "command", "answer", "resource", "rise", "answer", "resource", "time", "answer", "rise", "config"}
)

// random posts one event that may happen now.
func (w *world) random() {
	t := w.t
	switch rapid.SampledFrom(someEvents).Draw(t, "event") {
	case "command":
		w.post(Event{Kind: EventCommand, Verb: rapid.SampledFrom(someVerbs).Draw(t, "verb"),
			Identity: rapid.SampledFrom([]string{"", "", "hook"}).Draw(t, "identity")})
	case "resource":
		c := rapid.SampledFrom(w.in.Module.Checks).Draw(t, "check")
		v := rapid.SampledFrom([]Value{ResDown, ResUp, ResInit, ResUnknown}).Draw(t, "value")
		w.post(Event{Kind: EventResource, Resource: Resource{Name: c.Resource, Value: v, Reason: "as drawn", Since: w.now}})
	case "config":
		m := w.in.Module
		m.MaxLoop = rapid.IntRange(0, 3).Draw(t, "new maxloop")
		m.Checks = append([]Check{}, m.Checks...)
		for i := 1; i < len(m.Checks); i++ {
			m.Checks[i].Action = rapid.SampledFrom([]Verb{VerbRestart, VerbStopStart, VerbStop, VerbNone}).Draw(t, "new action")
		}
		w.post(Event{Kind: EventModule, Module: &m})
	case "time":
		w.now = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour}).Draw(t, "pass"))
		w.post(Event{Kind: EventTimer, Name: timerLeave})
	case "rise":
		w.rise()
	default:
		if w.asked != nil {
			w.answer(rapid.IntRange(0, 4).Draw(t, "fails") < 4)
		}
	}
}

// rise brings a module that is stopped or waits to UP.
func (w *world) rise() {
	w.calm()
	if w.in.State == Stop {
		w.command(VerbStart)
	}
	w.say(ResUp)
	if w.in.Status() == "UP Ready" {
		w.ups++
	}
}

// calm answers everything well until nothing is outstanding.
func (w *world) calm() {
	for range 200 {
		if w.asked == nil {
			return
		}
		w.answer(true)
	}
	w.t.Fatalf("no end: %s, %s, plan %v", w.in.Status(), w.in.LastReason, w.in.Plan)
}

func (w *world) command(v Verb) {
	w.post(Event{Kind: EventCommand, Verb: v})
	w.calm()
}

func (w *world) say(v Value) {
	w.post(Event{Kind: EventResource, Resource: Resource{Name: "ping.gw", Value: v, Reason: "as told", Since: w.now}})
	w.calm()
}

// TestStepHolds draws whole lives of modules. From wherever they got to, stop
// leads to STOP, and start to UP or to WAIT NotReady with a reason.
func TestStepHolds(t *testing.T) {
	ups := 0
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, in: New(drawModule(t)), now: time.Unix(1e9, 0).UTC(), checks: map[When]bool{}}
		for range rapid.IntRange(0, 120).Draw(t, "events") {
			w.random()
		}
		w.command(rapid.SampledFrom([]Verb{VerbStop, VerbForceStop}).Draw(t, "end"))
		if w.in.State != Stop || !w.in.Settled() {
			t.Fatalf("stop led to %s (%s), plan %v", w.in.Status(), w.in.LastReason, w.in.Plan)
		}
		w.command(VerbStart)
		if w.in.Status() != "WAIT Transient" || w.in.BlockedBy == "" {
			t.Fatalf("without a result of ping.gw start led to %s, blocked by %q", w.in.Status(), w.in.BlockedBy)
		}
		w.say(ResDown)
		if w.in.Status() != "WAIT NotReady" || w.in.BlockedBy == "" {
			t.Fatalf("with ping.gw down start led to %s, blocked by %q", w.in.Status(), w.in.BlockedBy)
		}
		w.say(ResUp)
		if w.in.Status() != "UP Ready" || w.in.BlockedBy != "" {
			t.Fatalf("start led to %s, blocked by %q (%s)", w.in.Status(), w.in.BlockedBy, w.in.LastReason)
		}
		if w.open != w.in.Module.Shared {
			t.Fatalf("UP Ready, share open %t", w.open)
		}
		ups += w.ups
	})
	if ups == 0 {
		t.Error("no drawn life ever reached UP: the test proves nothing")
	}
}
