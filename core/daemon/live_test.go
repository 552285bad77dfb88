package daemon

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

func addresses(list ...string) []config.Interface {
	i := config.Interface{Directed: true}
	for _, a := range list {
		i.Addresses = append(i.Addresses, config.Address{Addr: netip.MustParseAddr(a)})
	}
	return []config.Interface{i}
}

// TestNetworkIsRenewed: an address that goes is taken off before the filter lets go
// of it, one that comes is set after the filter knows it, and what stays is not
// touched. What fails half way leaves all as it was.
func TestNetworkIsRenewed(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*stand)
		next   []string
		want   []string
		fails  bool
	}{
		{"one comes", nil, []string{"10.0.0.100", "10.0.0.101"}, []string{
			"filter eth1 [10.0.0.100 10.0.0.101]", "add 10.0.0.101 to eth1, invisible false", "started at [020000000001]", "table"}, false},
		{"one goes, another comes", nil, []string{"10.0.0.101"}, []string{
			"remove 10.0.0.100 from eth1", "filter eth1 [10.0.0.101]", "add 10.0.0.101 to eth1, invisible false", "started at [020000000001]", "table"}, false},
		{"only rules", nil, []string{"10.0.0.100"}, []string{"filter eth1 [10.0.0.100]", "started at [020000000001]", "table"}, false},
		{"the first node tells", func(s *stand) { s.share = true }, []string{"10.0.0.100", "10.0.0.101"}, []string{
			"filter eth1 [10.0.0.100 10.0.0.101]", "add 10.0.0.101 to eth1, invisible false", "started at [020000000001]", "table",
			"announce 10.0.0.101 at 02:00:00:00:00:01 on 2 from 02:00:00:00:00:01"}, false},
		{"no interface has it", nil, []string{"10.0.0.100", "192.0.2.1"}, nil, true},
		{"somebody else has it", func(s *stand) { s.refused = errors.New("it is in use") }, []string{"10.0.0.101"}, nil, true},
		{"the filter refuses", func(s *stand) { s.broken = errors.New("no") }, []string{"10.0.0.101"}, []string{
			"remove 10.0.0.100 from eth1", "remove 10.0.0.101 from eth1", "note The packet filter could not be set back: no.",
			"add 10.0.0.100 to eth1, invisible false", "table"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := theNetwork(t, "")
				if c.before != nil {
					s.change(func() { c.before(s) })
				}
				err := n.renew(t.Context(), addresses(c.next...))
				synctest.Wait()
				if did := s.took(); !slices.Equal(did, c.want) {
					t.Errorf("renewed by\n%s\ninstead of\n%s", strings.Join(did, "\n"), strings.Join(c.want, "\n"))
				}
				if (err != nil) != c.fails {
					t.Errorf("it answers %v", err)
				}
				want := c.next
				if c.fails {
					want = []string{"10.0.0.100"}
				}
				s.change(func() { s.broken, s.refused = nil, nil })
				n.poke() // the next look finds nothing to mend
				synctest.Wait()
				if did := s.took(); len(did) != 0 {
					t.Errorf("afterwards it had to do\n%s", strings.Join(did, "\n"))
				}
				var held []string
				for _, h := range n.holds() {
					held = append(held, h.addr.Addr.String())
				}
				if !slices.Equal(held, want) {
					t.Errorf("holds %v instead of %v", held, want)
				}
				n.close()
			})
		})
	}
}

// TestTablesFitTheFilter: of a group that is not planned yet nothing is shared, one
// that the filter does not know any more is left out.
func TestTablesFitTheFilter(t *testing.T) {
	table := sdk.FilterTable{Groups: map[string][]sdk.Row{"old": make([]sdk.Row, share.Buckets), "web": slices.Repeat([]sdk.Row{1}, share.Buckets)}}
	got := fitted(table, []sdk.FilterGroup{{Name: "web"}, {Name: "new"}})
	if len(got.Groups) != 2 || got.Groups["web"][7] != 1 || len(got.Groups["new"]) != share.Buckets || got.Groups["new"][7] != 0 {
		t.Errorf("groups %v", len(got.Groups))
	}
	if len(table.Groups) != 2 || table.Groups["old"] == nil {
		t.Error("the table itself was changed")
	}
}

// TestFilesAreReplaced one by one, in folders that stay.
func TestFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"bin/start_both": "old", "bin/gone": "old", "bin/made_by_a_hook": "mine", "conf/userconfig.xml": "old"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(filepath.Join(dir, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	next := fstest.MapFS{
		"bin/start_both": {Data: []byte("new"), Mode: 0o755}, "lua/more.lua": {Data: []byte("more"), Mode: 0o644}, "conf/userconfig.xml": {Data: []byte("new"), Mode: 0o644},
	}
	if err := updateFolder(dir, next, config.Changes{{Path: "bin/gone", Old: "3 bytes"}, {Path: "bin/start_both", Old: "3 bytes", New: "3 bytes"}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			text, _ := os.ReadFile(path)
			info, _ := e.Info()
			rel, _ := filepath.Rel(dir, path)
			got = append(got, strings.Join([]string{filepath.ToSlash(rel), string(text), info.Mode().String()}, " "))
		}
		return err
	})
	want := []string{"bin/made_by_a_hook mine -rw-------", "bin/start_both new -rwxr-xr-x", "conf/userconfig.xml new -rw-r--r--", "lua/more.lua more -rw-r--r--"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
	if after, err := os.Stat(filepath.Join(dir, "bin")); err != nil || !os.SameFile(before, after) {
		t.Error("the folder is another one: whoever works in it lost it")
	}
}

// TestRenewalsComeOnce, each with its own content; older ones are not asked for any more.
func TestRenewalsComeOnce(t *testing.T) {
	var r renewals
	for i, v := range []string{"1.1", "2.1", "3.1"} {
		r.put(v, renewal{version: version{&config.Module{Name: v}, catalog.Head{Version: catalog.Version{Counter: uint64(i + 1), Node: 1}}}})
	}
	if n, ok := r.take("2.1"); !ok || n.conf.Name != "2.1" {
		t.Errorf("took %+v %t", n, ok)
	}
	if _, again := r.take("2.1"); again {
		t.Error("taken twice")
	}
	if _, older := r.take("1.1"); older {
		t.Error("an older one is still there")
	}
	if n, ok := r.take("3.1"); !ok || n.conf.Name != "3.1" {
		t.Errorf("the newer one is gone: %+v", n)
	}
}

func TestThePrimaryIsStoppedLast(t *testing.T) {
	got := primaryLast([]control.Running{{Node: "n1", State: "PRIM Ready"}, {Node: "n2", State: "SECOND Ready"}, {Node: "n3", State: "WAIT NotReady"}})
	if got[0].Node != "n2" || got[1].Node != "n3" || got[2].Node != "n1" {
		t.Errorf("%+v", got)
	}
}
