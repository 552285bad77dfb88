package address

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// NewAddress makes the checker ip.
func NewAddress() sdk.Checker {
	return sdk.Probe[ipSettings]{
		Name: "ip", Summary: "up when an address is set on this machine and can be used",
		Properties: `{"addr": {"type": "string", "minLength": 2, "description": "IP address of this machine"}}`,
		Required:   []string{"addr"},
		Look:       func(_ context.Context, s ipSettings) sdk.Result { return s.look() },
		News:       func(ctx context.Context, _ ipSettings) (<-chan struct{}, error) { return changes(ctx) },
	}.Checker()
}

type ipSettings struct {
	Addr string `json:"addr"`
}

func (s ipSettings) look() sdk.Result {
	addr, err := netip.ParseAddr(s.Addr)
	if err != nil {
		return sdk.Unknown("%q is not an IP address", s.Addr)
	}
	list, err := ports()
	if err != nil {
		return sdk.Unknown("list the addresses of this machine: %v", err)
	}
	return judge(addr.Unmap(), list, usable)
}

// judge says what the interfaces mean for an address. usable tells why a program
// could not use it.
func judge(addr netip.Addr, list []port, usable func(netip.Addr) error) sdk.Result {
	for _, p := range list {
		for _, a := range p.addresses {
			if a.Addr() != addr.WithZone("") {
				continue
			}
			if !p.up {
				return sdk.Down("%s is set on %s, which is switched off", addr, p.name)
			}
			if err := usable(addr); errors.Is(err, syscall.EADDRNOTAVAIL) {
				return sdk.Down("%s is set on %s but cannot be used: another machine has it, or that is still being found out", addr, p.name)
			} else if err != nil {
				return sdk.Unknown("try %s on %s: %v", addr, p.name, err)
			}
			return sdk.Result{Status: sdk.StatusUp, Detail: "on " + p.name}
		}
	}
	return sdk.Down("%s is not set on this machine", addr)
}

// usable binds to an address. The kernel refuses that while duplicate address
// detection goes on or after it has found another machine (RFC 4862, 5.4).
func usable(addr netip.Addr) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return err
	}
	return conn.Close()
}
