package daemon

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/cluster"
)

// Where this node has another address than the others know of it, it listens there, and
// they send to the other one.
func TestHeartbeatBehindNAT(t *testing.T) {
	a := netip.MustParseAddr
	c := cluster.NewConfig("id", "cluster", "default", "backup")
	for i, name := range []string{"n1", "n2"} {
		var err error
		if c, _, err = c.AddNode(name, map[string]netip.Addr{"default": a(fmt.Sprintf("203.0.113.%d", i+1)), "backup": a(fmt.Sprintf("10.1.0.%d", i+1))}); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for _, n := range heartNetworks(c, 2, map[string]netip.Addr{"default": a("192.168.0.2")}) {
		got += fmt.Sprintln(n.Name, n.Local, n.Peers[1])
	}
	if want := "default 192.168.0.2:4800 203.0.113.1:4800\nbackup 10.1.0.2:4800 10.1.0.1:4800\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLocalAddressesAreKept(t *testing.T) {
	d := &Daemon{opt: Options{Home: t.TempDir()}}
	if err := os.MkdirAll(d.path("cluster"), 0o700); err != nil {
		t.Fatal(err)
	}
	if local, err := d.readLocal(); err != nil || local != nil {
		t.Errorf("at first %v, %v", local, err)
	}
	outer := map[string]netip.Addr{"default": netip.MustParseAddr("203.0.113.1")}
	for given, want := range map[string]string{
		"default=10.0.0.1": "", "=10.0.0.1": "", "other=10.0.0.1": "none by which other nodes reach", "default=fd00::1": "not of the same family", "default=x": "is not an IP address",
	} {
		network, addr, _ := strings.Cut(given, "=")
		local, err := parseLocal(map[string]string{network: addr}, outer)
		if want == "" && (err != nil || local["default"].String() != addr) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %v", given, local, err)
		}
		if err == nil {
			if err := d.writeLocal(local); err != nil {
				t.Fatal(err)
			}
		}
	}
	local, err := d.readLocal()
	if err != nil || local["default"].String() != "10.0.0.1" {
		t.Errorf("kept: %v, %v", local, err)
	}
}

func TestCheckOwn(t *testing.T) {
	a := netip.MustParseAddr
	has := []netip.Addr{a("127.0.0.1"), a("10.0.0.3"), a("fd00::3"), a("fe80::1")}
	at := func(text string) map[string]netip.Addr { return map[string]netip.Addr{"default": a(text)} }
	for _, tc := range []struct {
		addresses, local map[string]netip.Addr
		refused          string
	}{
		{at("10.0.0.3"), nil, ""},
		{at("fd00::3"), nil, ""},
		{at("127.0.0.1"), nil, ""},
		{at("203.0.113.9"), at("10.0.0.3"), ""},
		{at("10.0.0.7"), nil, "no address 10.0.0.7; it has 10.0.0.3, fd00::3. Give"},
		{at("203.0.113.9"), at("10.0.0.7"), "no address 10.0.0.7;"},
	} {
		err := checkOwn(tc.addresses, tc.local, has)
		if tc.refused == "" && err != nil || tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
			t.Errorf("%v %v: %v, want %q", tc.addresses, tc.local, err, tc.refused)
		}
	}
	if _, _, _, err := own(map[string]string{"": "127.0.0.1"}, nil); err != nil {
		t.Errorf("every machine has 127.0.0.1: %v", err)
	}
}
