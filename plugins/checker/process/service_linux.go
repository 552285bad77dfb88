package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/dbus"
)

// units asks systemd over D-Bus, through one connection.
type units struct {
	mu   sync.Mutex
	conn *dbus.Conn
}

// service tells in words why a unit is not active; empty if it is.
func (s *linux) service(ctx context.Context, name string) (string, error) {
	if !strings.Contains(name, ".") {
		name += ".service"
	}
	conn, err := s.units.connect(ctx)
	if err != nil {
		return "", err
	}
	p, err := conn.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		s.units.forget()
		return "", err
	}
	if load, _ := p["LoadState"].(string); load == "not-found" {
		return "systemd knows no unit " + name, nil
	}
	switch state, _ := p["ActiveState"].(string); state {
	case "active", "reloading":
		return "", nil
	default:
		sub, _ := p["SubState"].(string)
		return "unit " + name + " is " + state + " (" + sub + ")", nil
	}
}

func (u *units) connect(ctx context.Context) (*dbus.Conn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn != nil && u.conn.Connected() {
		return u.conn, nil
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nil, errors.New("systemd does not run this node: /run/systemd/system is missing")
	}
	// The connection outlives this check, hence not ctx.
	conn, err := dbus.NewWithContext(context.WithoutCancel(ctx))
	u.conn = conn
	return conn, err
}

// forget closes the connection so that the next check makes a new one.
func (u *units) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn != nil {
		u.conn.Close()
		u.conn = nil
	}
}
