package address

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const ipSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["addr"],
	"additionalProperties": false,
	"properties": {
		"addr": {"type": "string", "minLength": 2, "description": "IP address of this machine"}
	}
}`

// NewAddress makes the checker ip.
func NewAddress() sdk.Watcher { return ip{} }

type ip struct{}

func (ip) Describe() sdk.Description {
	return sdk.Description{
		Name: "ip", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "up when an address is set on this machine and can be used",
		Schema:  json.RawMessage(ipSchema),
	}
}

type ipSettings struct {
	Addr string `json:"addr"`
}

// Check looks once.
func (ip) Check(_ context.Context, raw json.RawMessage) sdk.Result {
	var s ipSettings
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return unknown(err.Error())
	}
	return s.look()
}

// Watch looks whenever an address or interface changes.
func (ip) Watch(ctx context.Context, raw json.RawMessage, interval time.Duration, report func(sdk.Result)) error {
	var s ipSettings
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return err
	}
	news, err := changes(ctx)
	if err != nil {
		return err
	}
	return follow(ctx, news, interval, s.look, report)
}

func (s ipSettings) look() sdk.Result {
	addr, err := netip.ParseAddr(s.Addr)
	if err != nil {
		return unknown(fmt.Sprintf("%q is not an IP address", s.Addr))
	}
	list, err := ports()
	if err != nil {
		return unknown("list the addresses of this machine: " + err.Error())
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
				return down(fmt.Sprintf("%s is set on %s, which is switched off", addr, p.name))
			}
			if err := usable(addr); errors.Is(err, syscall.EADDRNOTAVAIL) {
				return down(fmt.Sprintf("%s is set on %s but cannot be used: another machine has it, or that is still being found out", addr, p.name))
			} else if err != nil {
				return unknown(fmt.Sprintf("try %s on %s: %v", addr, p.name, err))
			}
			return sdk.Result{Status: sdk.StatusUp, Detail: "on " + p.name}
		}
	}
	return down(fmt.Sprintf("%s is not set on this machine", addr))
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
