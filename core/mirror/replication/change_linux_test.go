package replication

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// leavesOut makes a folder's options leave out these paths.
func leavesOut(paths ...string) func(*Options) {
	return func(o *Options) {
		o.Folders = slices.Clone(o.Folders)
		o.Folders[0].Except = paths
		o.Folders[0].Rules, _ = exclude.New(paths, nil)
	}
}

// reconfigure gives both nodes another configuration while they run, as the daemons do: not in
// the same moment.
func reconfigure(how func(*Options), nodes ...*node) {
	for _, n := range nodes {
		o := *n.r.now()
		how(&o)
		n.r.Change(o)
	}
}

func (n *node) has(name string) bool {
	_, err := os.Lstat(n.dirs[0] + "_behind/data/" + name)
	return err == nil
}

// What is left out is changed while both nodes mirror. What is replicated from then on
// becomes the same, also what only the secondary has; what is left out from then on stays
// where it is, and the connection lives.
func TestRulesChangeLive(t *testing.T) {
	a, b := mirroring(t, leavesOut("tmp", "own"))
	for _, n := range []*node{a, b} {
		must(t, os.MkdirAll(n.dirs[0]+"/tmp/of "+n.name, 0o755))
	}
	must(t, os.MkdirAll(b.dirs[0]+"/own", 0o755))
	must(t, os.WriteFile(a.dirs[0]+"/tmp/x", []byte("primary's"), 0o644))
	must(t, os.WriteFile(b.dirs[0]+"/tmp/x", []byte("secondary's"), 0o644))
	join(t, a, b)
	if b.has("tmp/of n1") || !b.has("tmp/of n2") || !b.has("own") {
		t.Fatal("what is each node's own was copied")
	}
	reconfigure(leavesOut("own"), a, b)
	a.eventually("copy of what is replicated now", func() bool { return b.has("tmp/of n1") && !b.has("tmp/of n2") && mirrors(a) })
	settled(t, a)
	if !b.has("own") || a.has("own") {
		t.Error("own is not each node's own any more")
	}
	must(t, os.RemoveAll(b.dirs[0]+"_behind/data/own"))
	same(t, a, b)
	if a.told(core.ReplicaDegraded) {
		t.Error("replication counted as failed")
	}

	before := a.r.serves().current()
	reconfigure(leavesOut("own", "cache"), a, b)
	a.eventually("rules", func() bool { return len(a.r.now().Folders[0].Except) == 2 && len(b.r.now().Folders[0].Except) == 2 })
	a.run(0, `mkdir cache; echo 1 >cache/f; echo 2 >g; sync g`)
	settled(t, a)
	if b.has("cache") || !b.has("g") || a.r.serves().current() != before {
		t.Errorf("on the secondary cache is %t, g is %t; the same connection: %t", b.has("cache"), b.has("g"), a.r.serves().current() == before)
	}

	// What only the secondary has is told by it.
	must(t, os.MkdirAll(b.dirs[0]+"_behind/data/own", 0o755))
	reconfigure(leavesOut("cache"), a, b)
	a.eventually("removal", func() bool { return !b.has("own") && mirrors(a) })

	a.run(0, `mkdir in; echo 1 >in/f; ln in/f out`)
	reconfigure(leavesOut("cache", "in"), a)
	a.eventually("refusal", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.ContainsFunc(a.notes, func(n string) bool { return strings.Contains(n, "are one file") })
	})
	a.run(0, `echo 2 >in/f; sync in/f`)
	if settled(t, a); !b.has("in/f") {
		t.Error("rules that were refused hold")
	}
}

func mirrors(n *node) bool { return n.r.Status().State == "mirroring" }

// The configuration is changed while both are stopped: what is replicated from then on
// becomes the same, whoever has it.
func TestRulesChangeWhileStopped(t *testing.T) {
	a, b := mirroring(t, leavesOut("tmp", "logs"))
	for _, n := range []*node{a, b} {
		must(t, os.MkdirAll(n.dirs[0]+"/tmp/of "+n.name, 0o755))
	}
	must(t, os.MkdirAll(b.dirs[0]+"/logs", 0o755))
	join(t, a, b)
	for _, n := range []*node{b, a} {
		must(t, n.order(Order{Replica: core.ReplicateStop}))
		n.r.Close()
		n.forget()
		n.start(nil)
	}
	join(t, a, b)
	if !b.has("tmp/of n1") || b.has("tmp/of n2") || b.has("logs") {
		t.Error("what is replicated now was not compared")
	}
	settled(t, a)
	same(t, a, b)
	if f := a.r.serves().copying; f.extent.String() != "zones" {
		t.Errorf("%s was compared", f.extent)
	}
}

// What operations wait for, and how fast a resynchronisation may be, change at once.
func TestSettingsChangeLive(t *testing.T) {
	a, b := mirroring(t, nil)
	join(t, a, b)
	reconfigure(func(o *Options) { o.Mode, o.Limit, o.Workers = stream.ModeMemory, 1000<<10, 2 }, a, b)
	s := a.r.serves()
	a.eventually("limit", func() bool { return s.limit.Limit() == 1000<<10 })
	a.run(0, `echo 1 >f; sync f`)
	reconfigure(func(o *Options) { o.Limit = 0 }, a, b)
	a.eventually("no limit", func() bool { return s.limit.Limit() == rate.Inf })
	reconfigure(func(o *Options) { o.Folders = []Folder{{Place: Place{Dir: "/elsewhere", Suffix: "_behind"}}} }, a)
	a.eventually("refusal", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.ContainsFunc(a.notes, func(n string) bool { return strings.Contains(n, "other folders need a stop") })
	})
	a.run(0, `echo 2 >f; sync f`)
	settled(t, a)
	same(t, a, b)
}
