package address

import (
	"encoding/json"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

func TestInterfaceConformance(t *testing.T) {
	sdktest.Run(t, NewInterface(), sdktest.Options{
		Settings: []byte(`{"local_addr":"127.0.0.1"}`),
		Invalid:  []json.RawMessage{[]byte(`{}`), []byte(`{"name":""}`), []byte(`{"name":"a","local_addr":"::1"}`), []byte(`{"nmae":"a"}`)},
	})
}

func TestAddressConformance(t *testing.T) {
	sdktest.Run(t, NewAddress(), sdktest.Options{
		Settings: []byte(`{"addr":"127.0.0.1"}`),
		Invalid:  []json.RawMessage{[]byte(`{}`), []byte(`{"addr":""}`), []byte(`{"addr":"::1","interval":"1s"}`)},
	})
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

var someports = []port{
	{"lo", true, true, prefixes("127.0.0.1/8")},
	{"eth0", true, true, prefixes("192.0.2.5/24", "2001:db8::5/64")},
	{"eth1", true, false, prefixes("198.51.100.5/16")},
	{"eth2", false, false, prefixes("198.51.100.9/24")},
}

func TestInterface(t *testing.T) {
	for _, c := range []struct {
		settings intfSettings
		status   sdk.Status
		says     string
	}{
		{intfSettings{Name: "eth0"}, sdk.StatusUp, "interface eth0"},
		{intfSettings{Name: "eth1"}, sdk.StatusDown, "interface eth1 has no carrier"},
		{intfSettings{Name: "eth2"}, sdk.StatusDown, "interface eth2 is switched off"},
		{intfSettings{Name: "eth3"}, sdk.StatusDown, "there is no interface eth3; there is lo, eth0, eth1, eth2"},
		{intfSettings{LocalAddr: "2001:db8::5"}, sdk.StatusUp, "interface eth0"},
		{intfSettings{LocalAddr: "192.0.2.0"}, sdk.StatusUp, "interface eth0"},
		{intfSettings{LocalAddr: "198.51.100.5"}, sdk.StatusDown, "interface eth1 has no carrier"},
		{intfSettings{LocalAddr: "198.51.100.7"}, sdk.StatusDown, "interface eth2 is switched off"}, // its network is the narrower one
		{intfSettings{LocalAddr: "203.0.113.1"}, sdk.StatusDown, "no interface has 203.0.113.1 or a network that holds it"},
		{intfSettings{LocalAddr: "eth0"}, sdk.StatusUnknown, `"eth0" is not an IP address`},
	} {
		if r := c.settings.judge(someports); r.Status != c.status || r.Reason+r.Detail != c.says {
			t.Errorf("%+v: got %+v, want %s %q", c.settings, r, c.status, c.says)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		addr   string
		err    error
		status sdk.Status
		says   string
	}{
		{"192.0.2.5", nil, sdk.StatusUp, "on eth0"},
		{"198.51.100.5", nil, sdk.StatusUp, "on eth1"}, // of cables intf speaks
		{"192.0.2.6", nil, sdk.StatusDown, "192.0.2.6 is not set on this machine"},
		{"198.51.100.9", nil, sdk.StatusDown, "198.51.100.9 is set on eth2, which is switched off"},
		{"2001:db8::5", syscall.EADDRNOTAVAIL, sdk.StatusDown, "2001:db8::5 is set on eth0 but cannot be used: another machine has it, or that is still being found out"},
		{"2001:db8::5", errors.New("odd"), sdk.StatusUnknown, "try 2001:db8::5 on eth0: odd"},
	} {
		if r := judge(netip.MustParseAddr(c.addr), someports, func(netip.Addr) error { return c.err }); r.Status != c.status || r.Reason+r.Detail != c.says {
			t.Errorf("%s: got %+v, want %s %q", c.addr, r, c.status, c.says)
		}
	}
}
