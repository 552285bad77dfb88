// Package ping is the checker that sends ICMP echo requests.
package ping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["addr"],
	"additionalProperties": false,
	"properties": {
		"addr": {"type": "string", "minLength": 2, "description": "IP address; an IPv6 link-local one with its zone: fe80::1%eth0"},
		"timeout": {
			"description": "how long an answer may take, e.g. \"1s\" or a number of seconds",
			"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// New makes the checker.
func New() sdk.Checker { return checker{} }

type checker struct{}

func (checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "ping", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "sends an ICMP echo request; up when it is answered",
		Schema:  json.RawMessage(schema),
	}
}

// settings as the schema has them. The timeout is 5 s unless given; the host's
// deadline for a check holds as well.
type settings struct {
	Addr    string       `json:"addr"`
	Timeout sdk.Duration `json:"timeout"`
}

// Check sends one request. A lost packet is no reason to worry: whoever asks
// counts how many are lost in a row.
func (checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	s := settings{Timeout: sdk.Duration(5 * time.Second)}
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return unknown(err.Error())
	}
	addr, err := netip.ParseAddr(s.Addr)
	if err != nil {
		return unknown(fmt.Sprintf("ping %s: not an IP address", s.Addr))
	}
	start := time.Now()
	deadline := start.Add(time.Duration(s.Timeout))
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	err = echo(ctx, addr.Unmap(), deadline)
	if err == nil {
		took := time.Since(start)
		return sdk.Result{Status: sdk.StatusUp, Detail: fmt.Sprintf("answered in %v", took.Round(10*time.Microsecond)), Took: took}
	}
	return explain(s.Addr, err, deadline.Sub(start))
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

// local are errors of this node that say nothing about the other end.
var local = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES, syscall.EAFNOSUPPORT,
}

// explain says in words why there was no answer, and whether that means down or
// only that nobody can tell.
func explain(addr string, err error, limit time.Duration) sdk.Result {
	switch {
	case errors.Is(err, context.Canceled):
		return unknown("ping " + addr + ": the check was cancelled")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return sdk.Result{Status: sdk.StatusDown, Reason: fmt.Sprintf("ping %s: no answer within %v", addr, limit.Round(time.Millisecond))}
	case errors.Is(err, os.ErrPermission):
		return unknown("ping " + addr + ": this process may not send ICMP; it needs CAP_NET_RAW, or its group in net.ipv4.ping_group_range")
	}
	r := sdk.Result{Status: sdk.StatusDown, Reason: "ping " + addr + ": " + err.Error()}
	var errno syscall.Errno
	var op *net.OpError
	if errors.As(err, &errno) {
		r.Reason = "ping " + addr + ": " + errno.Error()
	} else if errors.As(err, &op) {
		r.Reason = "ping " + addr + ": " + op.Err.Error()
	}
	for _, e := range local {
		if errors.Is(err, e) {
			r.Status = sdk.StatusUnknown
		}
	}
	return r
}

func unknown(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: reason}
}
