package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

func at(a string) map[string]netip.Addr {
	return map[string]netip.Addr{"lan": netip.MustParseAddr(a)}
}

func three(t *testing.T) Config {
	t.Helper()
	c := NewConfig("f00d", "prod", "lan")
	for i, name := range []string{"web1", "web2", "web3"} {
		var err error
		if c, _, err = c.AddNode(name, at(fmt.Sprintf("10.0.0.%d", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if errs := c.Validate(); errs != nil {
		t.Fatal(errs)
	}
	return c
}

func TestConfigJSON(t *testing.T) {
	c := three(t)
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"heartbeat_interval":"20ms"`, `"heartbeat_timeout":"100ms"`, `"gossip":4801`, `"lan":"10.0.0.2"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is missing in %s", want, raw)
		}
	}
	var got Config
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`{}`, `{"heartbeat_interval":"20","heartbeat_timeout":"1s"}`, `{"nodes":[{"number":300}]}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"no id":                        func(c *Config) { c.ID = "" },
		"cluster name \"a b\"":         func(c *Config) { c.Name = "a b" },
		"has no network":               func(c *Config) { c.Networks = nil },
		"network lan is there twice":   func(c *Config) { c.Networks = append(c.Networks, Network{"lan"}) },
		"network name \"\"":            func(c *Config) { c.Networks = append(c.Networks, Network{}) },
		"no address on network back":   func(c *Config) { c.Networks = append(c.Networks, Network{"back"}) },
		"two nodes are called WEB1":    func(c *Config) { c.Nodes[1].Name = "WEB1" },
		"node name \"\"":               func(c *Config) { c.Nodes[1].Name = "" },
		"both have number 1":           func(c *Config) { c.Nodes[1].Number = 1 },
		"number 0: it must be":         func(c *Config) { c.Nodes[1].Number = 0 },
		"number 65: it must be":        func(c *Config) { c.Nodes[1].Number = 65; c.NextNumber = 66 },
		"next_number is 3":             func(c *Config) { c.NextNumber = 3 },
		"address 10.0.0.1 is given":    func(c *Config) { c.Nodes[1].Addresses = at("10.0.0.1") },
		"is given to web1 and to web2": func(c *Config) { c.Nodes[1].Addresses = at("::ffff:10.0.0.1") },
		"IPv4 and IPv6":                func(c *Config) { c.Nodes[1].Addresses = at("fd00::1") },
		"is missing":                   func(c *Config) { c.Nodes[1].Addresses = map[string]netip.Addr{"lan": {}} },
		"is no node's address":         func(c *Config) { c.Nodes[1].Addresses = at("0.0.0.0") },
		"a group":                      func(c *Config) { c.Nodes[1].Addresses = at("224.0.0.1") },
		"one link only":                func(c *Config) { c.Nodes[1].Addresses = at("fe80::1") },
		"loopback":                     func(c *Config) { c.Nodes[1].Addresses = at("127.0.0.1") },
		"which the cluster does not":   func(c *Config) { c.Nodes[1].Addresses["x"] = netip.MustParseAddr("10.0.1.1") },
		"each must be 1 to 65535":      func(c *Config) { c.Ports.API = 0 },
		"heartbeat and gossip both":    func(c *Config) { c.Ports.Heartbeat = c.Ports.Gossip },
		"gossip and api both":          func(c *Config) { c.Ports.API = c.Ports.Gossip },
		"the heartbeat interval is":    func(c *Config) { c.HeartbeatInterval = time.Millisecond },
		"at least 3 intervals, 120ms":  func(c *Config) { c.HeartbeatInterval = 40 * time.Millisecond },
		"hash function \"md5\"":        func(c *Config) { c.Hash = "md5" },
		"at most 1m0s":                 func(c *Config) { c.HeartbeatTimeout = time.Hour },
	} {
		c := three(t)
		spoil(&c)
		if err := errors.Join(c.Validate()...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got:\n%v", want, err)
		}
	}
	c := three(t)
	c.Nodes[0].Name, c.Nodes[1].Addresses, c.Ports.API = "?", at("127.0.0.1"), 0
	if n := len(c.Validate()); n != 3 {
		t.Errorf("%d problems of 3 were found", n)
	}
}

// A document of a version that had no choice has the function of that version.
func TestHashIsKeptAndDefaults(t *testing.T) {
	c := three(t)
	c.Hash = share.LowBits
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]share.Function{
		string(raw): share.LowBits, strings.Replace(string(raw), `"hash":"low_bits",`, "", 1): share.Keyed,
	} {
		var back Config
		if err := json.Unmarshal([]byte(text), &back); err != nil || back.Hash != want {
			t.Errorf("%s: hash %q, error %v; want %s", text, back.Hash, err, want)
		}
	}
}

func TestNodeNumbers(t *testing.T) {
	c := three(t)
	before := c.Clone()
	if _, _, err := c.AddNode("Web2", at("10.0.0.9")); !errors.Is(err, ErrNameTaken) {
		t.Errorf("name taken: %v", err)
	}
	d, err := c.RemoveNode(3)
	if err != nil {
		t.Fatal(err)
	}
	d, n, err := d.AddNode("web4", at("10.0.0.4"))
	if err != nil || n.Number != 4 || d.NextNumber != 5 {
		t.Errorf("%+v, %v", n, err)
	}
	if diff := cmp.Diff(before, c, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("the original was changed: %s", diff)
	}
	if _, err := d.RemoveNode(3); err == nil {
		t.Error("a node was removed twice")
	}
	for i := 5; i <= core.MaxNodes; i++ {
		if d, n, err = d.AddNode(fmt.Sprint("n", i), at(fmt.Sprintf("10.0.1.%d", i))); err != nil || int(n.Number) != i {
			t.Fatalf("node %d got %d, %v", i, n.Number, err)
		}
	}
	if d, n, err = d.AddNode("reuse", at("10.0.2.1")); err != nil || n.Number != 3 {
		t.Errorf("all worn out: got %d, %v", n.Number, err)
	}
	if errs := d.Validate(); errs != nil {
		t.Error(errs)
	}
	if _, _, err := d.AddNode("more", at("10.0.2.2")); err == nil || !strings.Contains(err.Error(), "64") {
		t.Errorf("node 65: %v", err)
	}
}

func TestPeers(t *testing.T) {
	c := three(t)
	c.Networks = append([]Network{{"fast"}}, c.Networks...)
	c.Nodes[2].Addresses["fast"] = netip.MustParseAddr("10.1.0.3")
	got := c.Peers(1)
	want := []Peer{
		{2, "web2", []netip.AddrPort{netip.MustParseAddrPort("10.0.0.2:4801")}},
		{3, "web3", []netip.AddrPort{netip.MustParseAddrPort("10.1.0.3:4801"), netip.MustParseAddrPort("10.0.0.3:4801")}},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
		t.Error(d)
	}
}
