package process

import (
	"bufio"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// bus is a D-Bus of the test's own.
type bus struct {
	address string
	cmd     *exec.Cmd
}

func newBus(t *testing.T) *bus {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip("dbus-daemon is not installed; make deps installs it")
	}
	b := &bus{address: "unix:path=" + filepath.Join(t.TempDir(), "bus")}
	b.cmd = exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", "--address="+b.address)
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait() // killed on purpose
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the bus does not say its address: %v", err)
	}
	return b
}

func (b *bus) connect() (*godbus.Conn, error) { return godbus.Connect(b.address) }

// manager stands for systemd: it tells what a unit is, and that it changed.
type manager struct {
	conn *godbus.Conn

	mu         sync.Mutex
	state      string
	subscribed bool
}

const unitPath = godbus.ObjectPath("/org/freedesktop/systemd1/unit/shop_2eservice")

func newManager(t *testing.T, b *bus) *manager {
	t.Helper()
	conn, err := b.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	m := &manager{conn: conn, state: "active"}
	for _, e := range []struct {
		path  godbus.ObjectPath
		iface string
	}{{"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"}, {unitPath, "org.freedesktop.DBus.Properties"}} {
		if err := conn.Export(m, e.path, e.iface); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := conn.RequestName("org.freedesktop.systemd1", 0); err != nil || r != godbus.RequestNameReplyPrimaryOwner {
		t.Fatal(r, err)
	}
	return m
}

// Subscribe is the manager's: before it, systemd sends no signals.
func (m *manager) Subscribe() *godbus.Error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribed = true
	return nil
}

// GetAll is the unit's.
func (m *manager) GetAll(string) (map[string]godbus.Variant, *godbus.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return map[string]godbus.Variant{
		"LoadState": godbus.MakeVariant("loaded"), "ActiveState": godbus.MakeVariant(m.state), "SubState": godbus.MakeVariant("dead"),
	}, nil
}

// becomes changes the unit and tells so.
func (m *manager) becomes(t *testing.T, state string) {
	t.Helper()
	m.mu.Lock()
	m.state = state
	subscribed := m.subscribed
	m.mu.Unlock()
	if !subscribed {
		t.Fatal("nobody has subscribed")
	}
	changed := map[string]godbus.Variant{"ActiveState": godbus.MakeVariant(state)}
	if err := m.conn.Emit(unitPath, "org.freedesktop.DBus.Properties.PropertiesChanged", "org.freedesktop.systemd1.Unit", changed, []string{}); err != nil {
		t.Fatal(err)
	}
}

// Nobody looks for an hour: only systemd can tell that a unit ends and starts, and only
// the lost connection that nobody knows any more. Then it is looked for at the interval.
func TestUnitChangesAreKnownAtOnce(t *testing.T) {
	var current atomic.Pointer[bus]
	begin := func() *manager {
		b := newBus(t)
		m := newManager(t, b)
		current.Store(b)
		return m
	}
	m := begin()
	sys := &linux{units: units{dial: func(context.Context) (*dbus.Conn, error) { return dbus.NewConnection(current.Load().connect) }}}
	results := make(chan sdk.Result, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- newChecker(sys).(sdk.Watcher).Watch(ctx, json.RawMessage(`{"name":"shop","service":true,"poll":"1h"}`), 50*time.Millisecond, func(r sdk.Result) { results <- r })
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the watch ended with %v", err)
		}
	}()
	expect := func(want sdk.Status, reason string) {
		t.Helper()
		for end := time.After(60 * time.Second); ; {
			select {
			case r := <-results:
				if r.Status == want && strings.HasPrefix(r.Reason, reason) {
					return
				}
			case <-end:
				t.Fatalf("nobody says %s %q", want, reason)
			}
		}
	}
	expect(sdk.StatusUp, "")
	m.becomes(t, "failed")
	expect(sdk.StatusDown, "service shop not running: unit shop.service is failed (dead)")
	m.becomes(t, "active")
	expect(sdk.StatusUp, "")
	if err := current.Load().cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	expect(sdk.StatusUnknown, "ask for service shop: ")
	m = begin()
	expect(sdk.StatusUp, "")
	m.becomes(t, "inactive")
	expect(sdk.StatusDown, "service shop not running: unit shop.service is inactive (dead)")
}
