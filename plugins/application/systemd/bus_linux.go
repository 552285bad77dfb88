package systemd

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/dbus"
)

// unavailable tells whether systemd runs this system, the way sd_booted(3)
// finds out.
func unavailable() string {
	if info, err := os.Lstat("/run/systemd/system"); err != nil || !info.IsDir() {
		return "systemd does not run this node: /run/systemd/system is missing"
	}
	return ""
}

// realBus is one connection to systemd, made when first needed.
type realBus struct {
	mu   sync.Mutex
	conn *dbus.Conn
}

func newBus() bus { return &realBus{} }

func (b *realBus) connect(ctx context.Context) (*dbus.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn != nil && b.conn.Connected() {
		return b.conn, nil
	}
	conn, err := dbus.NewWithContext(context.WithoutCancel(ctx)) // it outlives this call
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	b.conn = conn
	return conn, nil
}

// job queues a job and waits for its result.
func (b *realBus) job(ctx context.Context, queue func(*dbus.Conn, chan<- string) (int, error)) (string, error) {
	conn, err := b.connect(ctx)
	if err != nil {
		return "", err
	}
	done := make(chan string, 1)
	if _, err := queue(conn, done); err != nil {
		return "", err
	}
	select {
	case result := <-done:
		return result, nil
	case <-ctx.Done():
		return "", fmt.Errorf("the job has not ended: %w", ctx.Err())
	}
}

func (b *realBus) start(ctx context.Context, unit string) (string, error) {
	return b.job(ctx, func(c *dbus.Conn, done chan<- string) (int, error) {
		return c.StartUnitContext(ctx, unit, "replace", done)
	})
}

func (b *realBus) stop(ctx context.Context, unit string) (string, error) {
	return b.job(ctx, func(c *dbus.Conn, done chan<- string) (int, error) {
		return c.StopUnitContext(ctx, unit, "replace", done)
	})
}

func (b *realBus) kill(ctx context.Context, unit string) error {
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	return conn.KillUnitWithTarget(ctx, unit, dbus.All, int32(syscall.SIGKILL))
}

// properties asks for those of the unit and those of a service, which has the
// reason of a failure.
func (b *realBus) properties(ctx context.Context, unit string) (map[string]any, error) {
	conn, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	p, err := conn.GetUnitPropertiesContext(ctx, unit)
	if err != nil {
		return nil, err
	}
	if r, err := conn.GetUnitTypePropertyContext(ctx, unit, "Service", "Result"); err == nil { // other units have none
		p["Result"] = r.Value.Value()
	}
	return p, nil
}
