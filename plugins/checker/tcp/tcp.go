// Package tcp is the checker that connects to a TCP port.
package tcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["addr", "port"],
	"additionalProperties": false,
	"properties": {
		"addr": {"type": "string", "minLength": 1, "description": "IP address or host name"},
		"port": {"type": "integer", "minimum": 1, "maximum": 65535},
		"timeout": {
			"description": "how long a connection may take, e.g. \"5s\" or a number of seconds",
			"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// New makes the checker.
func New() sdk.Checker { return checker{} }

type checker struct{}

func (checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "tcp", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "connects to a TCP port; up when the connection is accepted",
		Schema:  json.RawMessage(schema),
	}
}

// settings as the schema has them. The timeout is 5 s unless given; the
// host's deadline for a check holds as well.
type settings struct {
	Addr    string       `json:"addr"`
	Port    int          `json:"port"`
	Timeout sdk.Duration `json:"timeout"`
}

// Check connects once. The connection is closed with a reset, which leaves no
// socket in TIME_WAIT however often a port is checked.
func (checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	s := settings{Timeout: sdk.Duration(5 * time.Second)}
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	start := time.Now()
	deadline := start.Add(time.Duration(s.Timeout))
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := connect(ctx, s.Addr, s.Port, deadline); err != nil {
		return explain(net.JoinHostPort(s.Addr, strconv.Itoa(s.Port)), err, deadline.Sub(start))
	}
	return sdk.Result{Status: sdk.StatusUp}
}

// dial makes a connection and ends it with a reset.
func dial(ctx context.Context, host string, port int, deadline time.Time) error {
	dialer := net.Dialer{Deadline: deadline, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // only costs a TIME_WAIT if it fails
	}
	_ = conn.Close() // the connection was made, which is all that was asked
	return nil
}

// local are errors of this node that say nothing about the other end.
var local = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES,
}

// explain says in words why a connection failed, and whether that means down
// or only that nobody can tell.
func explain(target string, err error, limit time.Duration) sdk.Result {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: fmt.Sprintf("look up %s: %s", dns.Name, dns.Err)}
	}
	if errors.Is(err, context.Canceled) {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: "connect " + target + ": the check was cancelled"}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return sdk.Result{Status: sdk.StatusDown, Reason: fmt.Sprintf("connect %s: no answer within %v", target, limit.Round(time.Millisecond))}
	}
	r := sdk.Result{Status: sdk.StatusDown, Reason: "connect " + target + ": " + err.Error()}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		r.Reason = "connect " + target + ": " + errno.Error()
	}
	for _, e := range local {
		if errors.Is(err, e) {
			r.Status = sdk.StatusUnknown
		}
	}
	return r
}
