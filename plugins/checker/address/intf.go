package address

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const intfSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"additionalProperties": false,
	"oneOf": [{"required": ["name"]}, {"required": ["local_addr"]}],
	"properties": {
		"name": {"type": "string", "minLength": 1, "description": "name of the interface"},
		"local_addr": {"type": "string", "minLength": 2, "description": "address that the interface has, or any address of its network"}
	}
}`

// NewInterface makes the checker intf.
func NewInterface() sdk.Watcher { return intf{} }

type intf struct{}

func (intf) Describe() sdk.Description {
	return sdk.Description{
		Name: "intf", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "up when a network interface is up and has a carrier",
		Schema:  json.RawMessage(intfSchema),
	}
}

type intfSettings struct {
	Name      string `json:"name"`
	LocalAddr string `json:"local_addr"`
}

// Check looks once.
func (intf) Check(_ context.Context, raw json.RawMessage) sdk.Result {
	var s intfSettings
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return unknown(err.Error())
	}
	return s.look()
}

// Watch looks whenever an interface changes.
func (intf) Watch(ctx context.Context, raw json.RawMessage, interval time.Duration, report func(sdk.Result)) error {
	var s intfSettings
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return err
	}
	news, err := changes(ctx)
	if err != nil {
		return err
	}
	return follow(ctx, news, interval, s.look, report)
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
		return unknown("list the network interfaces: " + err.Error())
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
		return down("interface " + p.name + " is switched off")
	case !p.carrier:
		return down("interface " + p.name + " has no carrier")
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
		return port{}, down(fmt.Sprintf("there is no interface %s; there is %s", s.Name, strings.Join(names, ", ")))
	}
	addr, err := netip.ParseAddr(s.LocalAddr)
	if err != nil {
		return port{}, unknown(fmt.Sprintf("%q is not an IP address", s.LocalAddr))
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
		return port{}, down(fmt.Sprintf("no interface has %s or a network that holds it", addr))
	}
	return near, sdk.Result{}
}
