package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// ownNetwork puts the test into a network namespace of its own, with one
// interface. The thread is never given back, and ends with the test.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a packet filter and a network namespace need root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"link add eth0 address 02:00:00:00:00:01 type veth peer name other0",
		"link set eth0 up", "link set other0 up", "addr add 192.0.2.1/24 dev eth0",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}

// filterInKernel leaves what a daemon that was killed would have left.
func filterInKernel(t *testing.T, home string) {
	t.Helper()
	f, err := ebpf.New(pinDir(home), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is pinned
	if err := f.Prefer("xdp-native"); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, err = f.Configure(ctx, sdk.FilterConfig{
		Module: "web", Self: 1, Fence: true, Hash: sdk.HashKeyed,
		Interfaces: []sdk.FilterInterface{{Name: "eth0", Directed: true, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10")}}},
		Groups:     []sdk.FilterGroup{{Name: "http", Rules: []sdk.FilterRule{{Port: 80, Protocol: "tcp", Hash: sdk.HashPort}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]sdk.Row, share.Buckets)
	for b := range rows {
		rows[b] = sdk.Row(share.MakeRow(2, 1))
		if b < 1024 {
			rows[b] = 1
		}
	}
	err = f.SetTable(ctx, sdk.FilterTable{
		Module: "web", Accept: true, Groups: map[string][]sdk.Row{"http": rows},
		MACs: map[uint8][]sdk.MAC{1: {{2, 0, 0, 0, 0, 1}}, 2: {{2, 0, 0, 0, 0, 2}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inside runs a command line in this process, as the namespace is the thread's.
func inside(t *testing.T, home string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	e := env{args: append([]string{"--home", home}, args...), stdout: &out, stderr: &out, lookup: func(string) (string, bool) { return "", false }}
	if code := run(context.Background(), e); code != exitOK {
		t.Fatalf("%v: exit code %d: %s", args, code, out.String())
	}
	return out.String()
}

func TestFilterCommands(t *testing.T) {
	ownNetwork(t)
	home := t.TempDir()
	filterInKernel(t, home)
	t.Cleanup(func() {
		if err := cleanPins(home); err != nil {
			t.Error(err)
		}
	})
	want := `eth0: tcx-out, xdp-native
lease: none yet

web: this is node 1, takes nothing without a lease, other nodes may use another table
  group http: node 1 (here) 25.0 %, node 2 75.0 %; in 3072 of 4096 parts others may have connections left
`
	if got := inside(t, home, "filter", "show"); got != want {
		t.Errorf("show:\n%swant\n%s", got, want)
	}
	got := inside(t, home, "filter", "dump")
	for _, want := range []string{
		"eth0       ", "  web     02:00:00:00:00:01  -\n", "192.0.2.10  arp       all   http   on_addr\n", "192.0.2.10  tcp       80    http   on_port\n",
		"web     2     ", "web     http   0-1023     1\n", "web     http   1024-4095  2<1\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("dump lacks %q:\n%s", want, got)
		}
	}
	var s ebpf.Snapshot
	if err := json.Unmarshal([]byte(inside(t, home, "filter", "dump", "--json")), &s); err != nil || len(s.Modules) != 1 {
		t.Errorf("%v: %+v", err, s)
	}
	got = inside(t, home, "filter", "clean")
	for _, want := range []string{"removed the filter's program xdp_", "(on eth0)", "maps of the filter"} {
		if !strings.Contains(got, want) {
			t.Errorf("clean lacks %q:\n%s", want, got)
		}
	}
	for _, args := range [][]string{{"filter", "show"}, {"filter", "dump"}, {"filter", "clean"}} {
		if got := inside(t, home, args...); got != nothingFiltered+"\n" {
			t.Errorf("%v: %s", args, got)
		}
	}
}
