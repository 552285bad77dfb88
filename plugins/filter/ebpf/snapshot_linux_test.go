package ebpf

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	bpf "github.com/cilium/ebpf"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestRead: the pinned maps tell what was put into them, also after the process
// ended, and looking changes nothing.
func TestRead(t *testing.T) {
	fx := newFixture(t)
	dir := fx.pinned(howNative)
	rows := rowsOf(rowOf(1))
	rows[7], rows[8] = sdk.Row(rowOf(2, 1)), sdk.Row(rowOf(2, 1))
	fx.setRows(rows, true, true)
	fx.run(fx.frame("tcp", syn))
	want, err := Read(dir)
	check0(t, err)
	if want.Layout != layoutVersion || want.Lease <= want.Now || len(want.Modules) != 1 {
		t.Fatalf("read %+v", want)
	}
	m := want.Modules[0]
	if m.Name != "web" || m.Self != 1 || !m.Fence || !m.Accept || !m.Agreed || m.Counters["accept-new"] != 1 {
		t.Errorf("module %+v", m)
	}
	if got, want := m.Groups[0].Rows, []RowsAlike{{0, 6, 1, nil, "1", ""}, {7, 8, 2, []int{1}, "2<1", ""}, {9, 4095, 1, nil, "1", ""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if got, want := want.Attachments, []PinnedAttachment{{"eth0", fx.ifindex, []string{"tcx-out", howNative}, ""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("attachments %v, want %v", got, want)
	}
	if got, want := want.Addresses, []PinnedAddress{{addr(vip), fx.ifindex, "web", "02:00:00:00:00:01", "", []PinnedRule{
		{"arp", 0, "http", sdk.HashAddress}, {"tcp", 80, "http", sdk.HashPort}, {"tcp", openPort, "http", sdk.HashPort},
	}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("addresses %+v, want %+v", got, want)
	}
	if len(want.MACs) != 6 || want.MACs[5] != (PinnedMAC{fx.ifindex, "web", 6, "02:00:00:00:00:06"}) {
		t.Errorf("MACs %+v", want.MACs)
	}
	p := programs()[0]
	p.run(fx, fx.frame("arp", announcement))
	fx.config = invisibleConfig()
	fx.configure()
	fx.hand(rowOf(2, 1), share.Gives)
	want, err = Read(dir)
	check0(t, err)
	if s := want.Strangers; len(s) != 1 || s[0].Address != addr(vip) || s[0].MAC != "02:00:00:00:00:32" {
		t.Errorf("strangers %+v", s)
	}
	if r := want.Modules[0].Groups[0].Rows; len(r) != 1 || r[0].Row != "2<1" || r[0].Hand != "gives" || want.Addresses[0].Virtual != "5a:fe:0a:01:00:64" {
		t.Errorf("rows %+v, addresses %+v", r, want.Addresses)
	}
	check0(t, fx.filter.Close())
	got, err := Read(dir)
	check0(t, err)
	got.Now = want.Now
	if !reflect.DeepEqual(got, want) {
		t.Errorf("without its process the filter is\n%+v, was\n%+v", got, want)
	}
}

// TestClean: everything goes, of this layout and of others, and again is no error.
func TestClean(t *testing.T) {
	fx := newFixture(t)
	dir := fx.pinned(howTCX)
	check0(t, fx.filter.Close())
	ours, old := filepath.Join(dir, layoutName(layoutVersion)), filepath.Join(dir, "layout0")
	check0(t, os.Rename(ours, old))
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("error %v", err)
	}
	check0(t, os.Rename(old, ours))
	check0(t, os.Mkdir(old, 0o700))
	m, err := bpf.LoadPinnedMap(filepath.Join(ours, filterMapLease), nil)
	check0(t, err)
	defer m.Close()
	again, err := m.Clone()
	check0(t, err)
	defer again.Close()
	check0(t, again.Unpin())
	check0(t, again.Pin(filepath.Join(old, filterMapLease)))
	did, err := Clean(dir)
	check0(t, err)
	text := strings.Join(did, "\n")
	for _, want := range []string{"(layout0)", "(" + layoutName(layoutVersion) + ")", "(on eth0)"} {
		if !strings.Contains(text, want) {
			t.Errorf("it says\n%s\nwithout %q", text, want)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
	if _, err := Read(dir); !errors.Is(err, ErrNothing) {
		t.Errorf("error %v", err)
	}
	if did, err := Clean(dir); err != nil || len(did) != 0 {
		t.Errorf("again: %v, %v", did, err)
	}
	// The interface is free: a filter by XDP alone gets it.
	f, err := New("", quiet())
	check0(t, err)
	defer f.Close()
	f.order = []string{howNative}
	state, err := f.Configure(context.Background(), fx.config)
	check0(t, err)
	if a := state.Attachments; len(a) != 1 || a[0].How != howNative {
		t.Errorf("attached as %+v", a)
	}
}
