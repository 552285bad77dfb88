// Package tcp is the checker that connects to a TCP port.
package tcp

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// New makes the checker.
func New() sdk.Checker {
	return sdk.Probe[settings]{
		Name: "tcp", Summary: "connects to a TCP port; up when the connection is accepted",
		Properties: `{
			"addr": {"type": "string", "minLength": 1, "description": "IP address or host name"},
			"port": {"type": "integer", "minimum": 1, "maximum": 65535}
		}`,
		Required: []string{"addr", "port"},
		Timeout:  5 * time.Second,
		Look:     look,
	}.Checker()
}

type settings struct {
	Addr string `json:"addr"`
	Port int    `json:"port"`
}

// look connects once. The connection is closed with a reset, which leaves no
// socket in TIME_WAIT however often a port is checked.
func look(ctx context.Context, s settings) sdk.Result {
	deadline, _ := ctx.Deadline()
	if err := connect(ctx, s.Addr, s.Port, deadline); err != nil {
		return sdk.Unreached("connect "+net.JoinHostPort(s.Addr, strconv.Itoa(s.Port)), err, sdk.Limit(ctx))
	}
	return sdk.Up("")
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
