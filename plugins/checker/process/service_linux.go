package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// units asks systemd over D-Bus, through one connection, and hears from it when a unit
// changes.
type units struct {
	dial func(context.Context) (*dbus.Conn, error) // for tests; nil: the system's

	mu     sync.Mutex
	conn   *dbus.Conn
	next   int
	listen map[int]unitListener
}

// unitListener is told when a unit changes.
type unitListener struct {
	unit string
	call func()
}

// unitName is the whole name of a unit.
func unitName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return name + ".service"
}

// service tells in words why a unit is not active; empty if it is.
func (s *linux) service(ctx context.Context, name string) (string, error) {
	name = unitName(name)
	conn, err := s.units.connect(ctx)
	if err != nil {
		return "", err
	}
	p, err := conn.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		s.units.forget(conn)
		return "", err
	}
	if load, _ := p["LoadState"].(string); load == "not-found" {
		return "systemd knows no unit " + name, nil
	}
	switch state, _ := p["ActiveState"].(string); state {
	case "active", "reloading", "refreshing":
		return "", nil
	default:
		sub, _ := p["SubState"].(string)
		return "unit " + name + " is " + state + " (" + sub + ")", nil
	}
}

// changed has call told of changes of a unit until cancel is called.
func (s *linux) changed(ctx context.Context, name string, call func()) (cancel func(), err error) {
	u := &s.units
	if _, err := u.connect(ctx); err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.listen == nil {
		u.listen = map[int]unitListener{}
	}
	u.next++
	n := u.next
	u.listen[n] = unitListener{unitName(name), call}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.listen, n)
	}, nil
}

// connect answers the connection, made and subscribed when it is first needed or was
// lost.
func (u *units) connect(ctx context.Context) (*dbus.Conn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn != nil && u.conn.Connected() {
		return u.conn, nil
	}
	dial := u.dial
	if dial == nil {
		if _, err := os.Stat("/run/systemd/system"); err != nil {
			return nil, errors.New("systemd does not run this node: /run/systemd/system is missing")
		}
		dial = dbus.NewWithContext
	}
	conn, err := dial(context.WithoutCancel(ctx)) // it outlives this check
	if err != nil {
		return nil, err
	}
	updates, missed := make(chan *dbus.PropertiesUpdate, 256), make(chan error, 1)
	conn.SetPropertiesSubscriber(updates, missed)
	if err := conn.Subscribe(); err != nil {
		conn.Close()
		return nil, err
	}
	u.conn = conn
	go u.hear(conn, updates, missed)
	return conn, nil
}

// lostEvery is how often a connection is looked at, whether it is still one.
const lostEvery = time.Second

// hear tells of changes until the connection is lost, and of its loss: who asks then
// makes a new one.
func (u *units) hear(conn *dbus.Conn, updates <-chan *dbus.PropertiesUpdate, missed <-chan error) {
	tick := time.NewTicker(lostEvery)
	defer tick.Stop()
	for {
		select {
		case change := <-updates:
			u.tell(change.UnitName)
		case <-missed:
			u.tell("")
		case <-tick.C:
			if !conn.Connected() {
				u.tell("")
				return
			}
		}
	}
}

// tell has those look who listen to a unit; all of them if it has no name.
func (u *units) tell(unit string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range u.listen {
		if unit == "" || l.unit == unit {
			l.call()
		}
	}
}

// forget closes a connection, so that the next check makes a new one.
func (u *units) forget(conn *dbus.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == conn {
		u.conn.Close()
		u.conn = nil
	}
}
