package catalog

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orchestrator-ha/orchestrator/core"
	"pgregory.net/rapid"
)

// Whatever nodes put and delete without hearing of each other, and in whatever
// order and however often they then hear of what: once all have heard of all,
// all have the same, and of each item the greatest version that was made.
func TestConvergence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(root)
		nodes := rapid.IntRange(2, 3).Draw(rt, "nodes")
		var all []*Catalog
		for i := range nodes {
			c, err := Open(root+"/"+string(rune('a'+i)), core.NodeID(i+1))
			if err != nil {
				rt.Fatal(err)
			}
			all = append(all, c)
		}
		best := map[string]Head{}
		made := map[string]Item{} // by name and version
		step := func(c *Catalog, name string) {
			h := func() Head { c.mu.RLock(); defer c.mu.RUnlock(); return c.items[name].Head }()
			if h.Name == "" {
				return
			}
			if h.compare(best[name]) > 0 {
				best[name] = h
			}
			it, err := c.GetVersion(name, h.Version)
			if err != nil {
				rt.Fatal(err)
			}
			made[name+h.Version.String()] = it
		}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			c := rapid.SampledFrom(all).Draw(rt, "at")
			name := rapid.SampledFrom([]string{"cluster", "module/m"}).Draw(rt, "item")
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				_ = c.Delete(name, "t") // nothing to delete is fine
			case 1:
				gossip(rt, rapid.SampledFrom(all).Draw(rt, "from"), c)
			default:
				if _, err := c.Put(name, []byte(rapid.StringN(0, 3, 3).Draw(rt, "content")), nil, "t"); err != nil {
					rt.Fatal(err)
				}
			}
			step(c, name)
		}
		deliverShuffled(rt, all, made)
		for _, c := range all {
			for _, h := range c.Heads() {
				if h != best[h.Name] {
					rt.Fatalf("node %d has %+v, the greatest is %+v", c.self, h, best[h.Name])
				}
			}
			if d := cmp.Diff(all[0].Heads(), c.Heads()); d != "" {
				rt.Fatalf("nodes 1 and %d differ:\n%s", c.self, d)
			}
			reopened, err := Open(c.dir, c.self)
			if err != nil {
				rt.Fatal(err)
			}
			if d := cmp.Diff(c.Heads(), reopened.Heads()); d != "" {
				rt.Fatalf("node %d after a restart:\n%s", c.self, d)
			}
		}
	})
}

// gossip brings what from has newer to to.
func gossip(rt *rapid.T, from, to *Catalog) {
	newer, _ := to.Diff(from.Heads())
	for _, name := range newer {
		h := from.items[name]
		it, err := from.GetVersion(name, h.Version)
		if err != nil {
			rt.Fatal(err)
		}
		if ok, err := to.Merge(it); !ok || err != nil {
			rt.Fatalf("a newer item was not merged: %v %v", ok, err)
		}
	}
}

// deliverShuffled gives every node every item, some twice, in random order.
func deliverShuffled(rt *rapid.T, all []*Catalog, made map[string]Item) {
	var names []string
	for k := range made {
		names = append(names, k)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	for _, c := range all {
		for _, k := range append(rapid.Permutation(names).Draw(rt, "order"), names[0]) {
			if _, err := c.Merge(made[k]); err != nil {
				rt.Fatal(err)
			}
		}
	}
}
