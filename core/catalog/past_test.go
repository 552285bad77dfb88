package catalog

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestrator-ha/orchestrator/core"
)

func versions(t *testing.T, c *Catalog, name string) (list []string) {
	t.Helper()
	past, err := c.History(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range past {
		whole, err := c.GetVersion(name, it.Version)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, it.Version.String()+" "+string(whole.Content))
	}
	return list
}

// TestPastIsOnEveryNode: a node that missed versions, or has just come, gets those
// before the current one too, and none that nobody would keep.
func TestPastIsOnEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		put(t, w.catalogs[1], "module/m", "1")
		synctest.Wait()
		w.setAway(3, true)
		for i := 2; i <= Kept+2; i++ {
			put(t, w.catalogs[core.NodeID(1+i%2)], "module/m", fmt.Sprint(i))
			synctest.Wait()
		}
		if got := versions(t, w.catalogs[3], "module/m"); len(got) != 1 {
			t.Fatalf("node 3 was not away: %v", got)
		}
		w.setAway(3, false)
		w.syncers[1].Joined(3)
		synctest.Wait()
		want := versions(t, w.catalogs[1], "module/m")
		if len(want) != Kept || want[0] != "12.1 12" {
			t.Fatalf("node 1 keeps %v", want)
		}
		if d := cmp.Diff(want, versions(t, w.catalogs[3], "module/m")); d != "" {
			t.Errorf("node 3 keeps others:\n%s", d)
		}
		if got := get(t, w.catalogs[3], "module/m"); string(got.Content) != "12" {
			t.Errorf("the current version is %s", got.Content)
		}
	})
}

func TestKeepRefusesWhatIsNotOfBefore(t *testing.T) {
	c := open(t, t.TempDir(), 1)
	first := put(t, c, "m", "1")
	put(t, c, "m", "2")
	first.Content = []byte("another")
	if err := c.keep(first); err == nil {
		t.Error("content that does not fit its signature is kept")
	}
	other := open(t, t.TempDir(), 2)
	for i := range 3 {
		put(t, other, "m", fmt.Sprint("o", i))
	}
	late := get(t, other, "m") // 3.2: newer than what is current here
	if err := c.keep(late); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, "m"); string(got.Content) != "2" {
		t.Errorf("the current version became %s", got.Content)
	}
	if got := versions(t, c, "m"); len(got) != 2 {
		t.Errorf("kept: %v", got)
	}
}
