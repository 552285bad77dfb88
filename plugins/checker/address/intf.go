package address

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// NewInterface makes the checker intf.
func NewInterface() sdk.Checker {
	return sdk.Probe[intfSettings]{
		Name: "intf", Summary: "up when a network interface is up and has a carrier",
		Properties: `{
			"name": {"type": "string", "minLength": 1, "description": "name of the interface"},
			"local_addr": {"type": "string", "minLength": 2, "description": "address that the interface has, or any address of its network"}
		}`,
		Keywords: `{"oneOf": [{"required": ["name"]}, {"required": ["local_addr"]}]}`,
		Look:     func(_ context.Context, s intfSettings) sdk.Result { return s.look() },
		News:     func(ctx context.Context, _ intfSettings) (<-chan struct{}, error) { return changes(ctx) },
	}.Checker()
}

type intfSettings struct {
	Name      string `json:"name"`
	LocalAddr string `json:"local_addr"`
}

// port is an interface as the checkers see it.
type port struct {
	name        string
	up, carrier bool
	addresses   []netip.Prefix
}

// ports lists the interfaces of this machine. FlagRunning is what the kernel
// makes of the carrier and of protocols that decide (RFC 2863, ifOperStatus).
func ports() ([]port, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []port
	for _, i := range all {
		p := port{name: i.Name, up: i.Flags&net.FlagUp != 0, carrier: i.Flags&net.FlagRunning != 0}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away just now
		}
		for _, a := range addrs {
			if n, err := netip.ParsePrefix(a.String()); err == nil {
				p.addresses = append(p.addresses, netip.PrefixFrom(n.Addr().Unmap(), n.Bits()))
			}
		}
		list = append(list, p)
	}
	return list, nil
}

func (s intfSettings) look() sdk.Result {
	list, err := ports()
	if err != nil {
		return sdk.Unknown("list the network interfaces: %v", err)
	}
	return s.judge(list)
}

// judge says what the interfaces mean.
func (s intfSettings) judge(list []port) sdk.Result {
	p, missing := s.choose(list)
	switch {
	case missing.Reason != "":
		return missing
	case !p.up:
		return sdk.Down("interface %s is switched off", p.name)
	case !p.carrier:
		return sdk.Down("interface %s has no carrier", p.name)
	}
	return sdk.Result{Status: sdk.StatusUp, Detail: "interface " + p.name}
}

// choose finds the interface: by its name, by its address, or by the network that
// holds the address. The last is for one document on many machines.
func (s intfSettings) choose(list []port) (port, sdk.Result) {
	if s.Name != "" {
		var names []string
		for _, p := range list {
			if p.name == s.Name {
				return p, sdk.Result{}
			}
			names = append(names, p.name)
		}
		return port{}, sdk.Down("there is no interface %s; there is %s", s.Name, strings.Join(names, ", "))
	}
	addr, err := netip.ParseAddr(s.LocalAddr)
	if err != nil {
		return port{}, sdk.Unknown("%q is not an IP address", s.LocalAddr)
	}
	near, bits := port{}, -1
	for _, p := range list {
		for _, a := range p.addresses {
			if a.Addr() == addr.Unmap() {
				return p, sdk.Result{}
			}
			if a.Contains(addr.Unmap()) && a.Bits() > bits {
				near, bits = p, a.Bits()
			}
		}
	}
	if bits < 0 {
		return port{}, sdk.Down("no interface has %s or a network that holds it", addr)
	}
	return near, sdk.Result{}
}
