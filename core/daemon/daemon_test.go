package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestDigestsTravel(t *testing.T) {
	mine, theirs := newDigests(), newDigests()
	want := map[string]share.Digest{
		"web_farm": {Present: true, Ready: true, Epoch: 0x1234567801, Failed: 1 << 63},
		"db":       {Present: true, Draining: true, Epoch: 7},
		"left":     {Left: true},
	}
	var b []byte
	for name, d := range want {
		b = mine.own(name, d)
	}
	if again := mine.own("db", want["db"]); string(again) != string(b) {
		t.Error("the same digests are encoded differently each time")
	}
	theirs.hear(3, b)
	for name, d := range want {
		if got := theirs.of(3, name); got != d {
			t.Errorf("%s: got %+v, want %+v", name, got, d)
		}
	}
	theirs.hear(3, mine.own("db", share.Digest{}))
	if got := theirs.of(3, "db"); got.Present {
		t.Errorf("a module that is gone is still there: %+v", got)
	}
	theirs.forget(3)
	if got := theirs.of(3, "web_farm"); got.Present || len(theirs.heard()) != 0 {
		t.Errorf("a lost node still says %+v", got)
	}
}

// TestModulesFitABeat holds the promise of 32 modules in a heartbeat.
func TestModulesFitABeat(t *testing.T) {
	s := newDigests()
	var b []byte
	for i := range 32 {
		b = s.own(strings.Repeat("m", i+1), share.Digest{Present: true})
	}
	if len(b) > 1000 {
		t.Errorf("32 modules take %d bytes of at most 1000", len(b))
	}
}

// wires joins the sharings of a farm in one process.
type wires struct {
	mu     sync.Mutex
	nodes  map[core.NodeID]*sharing
	tables map[core.NodeID]sdk.FilterTable
	notes  []string
	broken map[core.NodeID]bool // whose filter refuses tables
}

func (w *wires) node(ctx context.Context, n core.NodeID, all share.Weights) *sharing {
	m := share.NewMachine(n, func(id core.NodeID) string { return "n" + string('0'+rune(id)) }, share.Settings{Weights: map[string]share.Weights{"g": all}}, share.Timing{})
	return newSharing(ctx, "web", m, ports{
		send: func(to core.NodeID, payload []byte) error {
			var l letter
			if err := json.Unmarshal(payload, &l); err != nil {
				return err
			}
			w.at(to).put(share.Received{From: n, Message: l.Message}, 0)
			return nil
		},
		publish: func(_ string, d share.Digest) {
			for id := range all {
				if s := w.at(id); id != n && s != nil {
					s.put(share.PeerDigest{Node: n, Digest: d}, 0)
				}
			}
		},
		announce: func(string) {},
		resumed:  func(string) {},
		note: func(text string, _ int64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notes = append(w.notes, text)
		},
		setTable: func(_ context.Context, t sdk.FilterTable, _ string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.broken[n] {
				return errors.New("no such map")
			}
			w.tables[n] = t
			return nil
		},
		count: func(context.Context) (map[string][]uint32, error) {
			return map[string][]uint32{"g": make([]uint32, share.Buckets)}, nil
		},
	}, quiet())
}

func (w *wires) at(n core.NodeID) *sharing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[n]
}

func (w *wires) owned(n core.NodeID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := 0
	for _, r := range w.tables[n].Groups["g"] {
		if core.NodeID(r&0xff) == n {
			count++
		}
	}
	return count
}

func TestSharingsAgreeOverTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &wires{nodes: map[core.NodeID]*sharing{}, tables: map[core.NodeID]sdk.FilterTable{}}
		all := share.Weights{1: 1, 2: 1}
		for n := range all {
			s := w.node(ctx, n, all)
			w.mu.Lock()
			w.nodes[n] = s
			w.mu.Unlock()
		}
		answers := make(chan core.Event, 8)
		for n := range all {
			w.at(n).put(share.Started{MACs: []share.MAC{{2, byte(n)}}}, 0)
			w.at(n).order(core.ShareOpen, 0, func(e core.Event) { answers <- e })
		}
		wait := func(what string, ok func() bool) {
			t.Helper()
			for range 1000 {
				if ok() {
					return
				}
				synctest.Wait()
				<-time.After(5 * time.Millisecond)
			}
			t.Fatalf("%s did not happen: n1 owns %d, n2 owns %d", what, w.owned(1), w.owned(2))
		}
		wait("an even share", func() bool {
			return w.owned(1) > 1700 && w.owned(2) > 1700 && w.owned(1)+w.owned(2) == share.Buckets
		})
		for range all {
			if e := <-answers; !e.OK || e.Name != string(core.ShareOpen) || e.Kind != core.EventShare {
				t.Errorf("the order was answered with %+v", e)
			}
		}
		w.mu.Lock()
		w.broken = map[core.NodeID]bool{2: true}
		w.mu.Unlock()
		for n := range all { // a plan that node 2 cannot follow
			w.at(n).put(share.Configured{Settings: share.Settings{Weights: map[string]share.Weights{"g": {1: 3, 2: 1}}}}, 0)
		}
		wait("a note of the refused table", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.ContainsFunc(w.notes, func(s string) bool { return strings.Contains(s, "no such map") })
		})
		if got := w.owned(1); got > 2200 {
			t.Errorf("node 1 took %d buckets though node 2 has not agreed", got)
		}
		w.mu.Lock()
		w.broken = nil
		w.mu.Unlock()
		wait("the other weights", func() bool {
			return w.owned(1) > 2900 && w.owned(2) > 900 && w.owned(1)+w.owned(2) == share.Buckets
		})
		w.at(1).order(core.ShareLeave, 0, func(e core.Event) { answers <- e })
		wait("the leave", func() bool { return w.owned(2) == share.Buckets && w.owned(1) == 0 })
		if e := <-answers; !e.OK || e.Name != string(core.ShareLeave) {
			t.Errorf("the leave was answered with %+v", e)
		}
		w.at(1).put(share.Halted{}, 0)
		cancel()
		for n := range all {
			w.at(n).close()
		}
	})
}

func TestClosersRunBackwards(t *testing.T) {
	var order []string
	var c closers
	for _, name := range []string{"first", "second", "third"} {
		c.add(name, func() error {
			order = append(order, name)
			if name == "second" {
				return errors.New("broken")
			}
			return nil
		})
	}
	err := c.run()
	if !reflect.DeepEqual(order, []string{"third", "second", "first"}) {
		t.Errorf("closed in the order %v", order)
	}
	if err == nil || err.Error() != "second: broken" {
		t.Errorf("the error is %v", err)
	}
}

func TestAddresses(t *testing.T) {
	got, names, err := parseAddresses(map[string]string{"": "10.0.0.1", "backup": "fd00::1"})
	if err != nil || got["default"].String() != "10.0.0.1" || names[0] != "default" {
		t.Errorf("got %v %v %v", got, names, err)
	}
	for _, bad := range []map[string]string{nil, {"": "10.0.0.300"}, {"": "0.0.0.0"}, {"": "server1"}} {
		if _, _, err := parseAddresses(bad); !errors.Is(err, control.ErrInput) {
			t.Errorf("%v: the error is %v", bad, err)
		}
	}
}

func TestJudge(t *testing.T) {
	up := core.Instance{State: core.Up, Phase: core.Ready}
	failed := core.Instance{State: core.Stop, LastReason: "start_both failed", BlockedBy: ""}
	for _, tc := range []struct {
		verb core.Verb
		in   core.Instance
		ok   bool
		text string
	}{
		{core.VerbStart, up, true, ""},
		{core.VerbStart, failed, false, "start_both failed"},
		{core.VerbStop, failed, true, ""},
		{core.VerbStop, up, false, ""},
		{core.VerbDrain, up, false, ""},
		{core.VerbUndrain, up, true, ""},
	} {
		if ok, text := judge(tc.verb, tc.in); ok != tc.ok || text != tc.text {
			t.Errorf("%s of %s: %v %q", tc.verb, tc.in.Status(), ok, text)
		}
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	home := t.TempDir()
	unlock, err := lockHome(home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockHome(home); err == nil || !strings.Contains(err.Error(), home) {
		t.Errorf("a second daemon: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockHome(home)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

// People know servers by their names.
func TestEvidenceNamesNodes(t *testing.T) {
	d, _ := alone(t)
	m := d.member
	m.config.Nodes = []cluster.Node{{Number: 1, Name: "web1"}, {Number: 3, Name: "web3"}, {Number: 12, Name: "web12"}}
	for text, want := range map[string]string{
		"silent for 3 s on lan default; node 3 does not hear it either": "silent for 3 s on lan default; web3 does not hear it either",
		"nodes 1, 3 and 12 still hear it; 2 pings":                      "web1, web3 and web12 still hear it; 2 pings",
		"nodes 1 and 7 still hear it":                                   "web1 and node 7 still hear it",
		"this node 's link":                                             "this node 's link",
	} {
		if got := m.named(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
