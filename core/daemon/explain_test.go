package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

func TestParseTraffic(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "203.0.113.7:51000": "203.0.113.7:51000", "::ffff:203.0.113.7": "203.0.113.7",
		"2001:db8::7": "2001:db8::7", "[2001:db8::7]:51000": "[2001:db8::7]:51000",
	} {
		if got, err := parseTraffic(control.ExplainQuery{Client: text}); err != nil || got.text() != want || got.proto != "tcp" {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, tc := range []struct {
		q    control.ExplainQuery
		want string
	}{
		{control.ExplainQuery{}, `"" is not the address of a client`},
		{control.ExplainQuery{Client: "server1"}, `"server1" is not the address of a client`},
		{control.ExplainQuery{Client: "203.0.113.7:0"}, "is not the address"},
		{control.ExplainQuery{Client: "203.0.113.7:70000"}, "is not the address"},
		{control.ExplainQuery{Client: "0.0.0.0"}, "is not the address"},
		{control.ExplainQuery{Client: "224.0.0.1"}, "is not the address"},
		{control.ExplainQuery{Client: "fe80::1%eth0"}, "is not the address"},
		{control.ExplainQuery{Client: "10.0.0.1", Address: "vip"}, `"vip" is not the address of a virtual address`},
		{control.ExplainQuery{Client: "10.0.0.1", Address: "2001:db8::1"}, "one is IPv4, the other IPv6"},
		{control.ExplainQuery{Client: "10.0.0.1", Proto: "icmp"}, "use tcp or udp"},
	} {
		if _, err := parseTraffic(tc.q); !errors.Is(err, control.ErrInput) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v", tc.q, err)
		}
	}
}

func TestMatchingRules(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.11")
	groups := []config.Group{
		{Name: "all", Rules: []config.Rule{{Proto: "tcp"}, {Proto: "tcp", Port: 80}}},
		{Name: "one", Rules: []config.Rule{{Proto: "tcp", Port: 80, Address: a}, {Proto: "tcp", Address: b}, {Proto: "arp", Address: b}, {Proto: "udp", Port: 53, Address: b}}},
	}
	for _, tc := range []struct {
		address netip.Addr
		proto   string
		port    uint16
		want    string
	}{
		{a, "tcp", 80, "one:80"}, // the address is named
		{b, "tcp", 80, "all:80"}, // the port goes before the address
		{a, "tcp", 81, "all:0"},
		{b, "tcp", 81, "one:0"},
		{a, "tcp", 0, "one:80 all:0"},
		{a, "udp", 53, ""},
		{b, "udp", 0, "one:53"},
	} {
		var got []string
		for _, m := range matching(groups, tc.address, tc.proto, tc.port) {
			got = append(got, fmt.Sprintf("%s:%d", m.group.Name, m.rule.Port))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s port %d of %s: %v, want %s", tc.proto, tc.port, tc.address, got, tc.want)
		}
	}
	if got := answering(groups, a) + " " + answering(groups, b); got != "all one" {
		t.Errorf("ARP is answered by groups %s", got)
	}
}

func TestBucketOfWhatIsGiven(t *testing.T) {
	client := netip.MustParseAddr("203.0.113.7")
	for _, tc := range []struct {
		filter string
		port   uint16
		known  bool
	}{{"on_addr", 0, true}, {"on_addr", 5, true}, {"on_port", 5, true}, {"on_port", 0, false}, {"on_ipid", 5, false}} {
		got, known := bucketOf(share.Keyed, share.Key{1}, traffic{client: client, port: tc.port}, tc.filter)
		want := 0
		if tc.known {
			port := tc.port
			if tc.filter == "on_addr" {
				port = 0
			}
			want = int(share.Bucket(share.Key{1}, client, port))
		}
		if known != tc.known || got != want {
			t.Errorf("%s port %d: %d %v, want %d", tc.filter, tc.port, got, known, want)
		}
	}
}
