// Package ping is the checker that sends ICMP echo requests.
package ping

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// New makes the checker.
func New() sdk.Checker {
	return sdk.Probe[settings]{
		Name: "ping", Summary: "sends an ICMP echo request; up when it is answered",
		Properties: `{"addr": {"type": "string", "minLength": 2, "description": "IP address, or a name of DNS; an IPv6 link-local address with its zone: fe80::1%eth0"}}`,
		Required:   []string{"addr"},
		Timeout:    5 * time.Second,
		Look:       look,
	}.Checker()
}

type settings struct {
	Addr string `json:"addr"`
}

// look sends one request. A lost packet is no reason to worry: whoever asks
// counts how many are lost in a row.
func look(ctx context.Context, s settings) sdk.Result {
	addr, err := resolve(ctx, s.Addr)
	if err != nil {
		return explain(s.Addr, err, sdk.Limit(ctx))
	}
	start := time.Now()
	deadline, _ := ctx.Deadline()
	if err := echo(ctx, addr.Unmap(), deadline); err != nil {
		return explain(s.Addr, err, sdk.Limit(ctx))
	}
	took := time.Since(start)
	return sdk.Result{Status: sdk.StatusUp, Detail: fmt.Sprintf("answered in %v", took.Round(10*time.Microsecond)), Took: took}
}

// resolve looks a name up; of several addresses the first one is asked.
func resolve(ctx context.Context, host string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return list[0], nil
}

// echo sends a request and waits for the answer, or for a router's word that
// there will be none (*unreachable).
func echo(ctx context.Context, to netip.Addr, deadline time.Time) error {
	f := four
	if to.Is6() {
		f = six
	}
	conn, raw, err := f.open()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing is kept in it
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	r := request{family: f, to: to, id: int(rand.Uint32() & 0xffff), seq: int(rand.Uint32() & 0xffff), raw: raw}
	packet, err := r.marshal()
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(packet, r.destination()); err != nil {
		return cancelled(ctx, err)
	}
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return cancelled(ctx, err)
		}
		if done, err := r.answered(buffer[:n], from); done {
			return err
		}
	}
}

// cancelled tells a deadline from the end of the check.
func cancelled(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return err
}

// unreachable is an ICMP error about the request: RFC 792 and RFC 4443, 3.1.
type unreachable struct {
	what string
	from netip.Addr
}

func (u *unreachable) Error() string { return u.what + ", says " + u.from.String() }

// explain says in words why there was no answer, and whether that means down or
// only that nobody can tell.
func explain(addr string, err error, limit time.Duration) sdk.Result {
	if errors.Is(err, os.ErrPermission) {
		return sdk.Unknown("ping %s: this process may not send ICMP; it needs CAP_NET_RAW, or its group in net.ipv4.ping_group_range", addr)
	}
	return sdk.Unreached("ping "+addr, err, limit)
}
