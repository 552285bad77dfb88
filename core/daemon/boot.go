package daemon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// boots says whether a module is to start by itself when a daemon starts. What boot="…" says
// is about the machine; where only the daemon was away, what ran before runs again, and what
// an operator has stopped stays so.
func boots(boot string, wanted core.State, machine bool) bool {
	if machine && boot != "auto" {
		return boot == "on"
	}
	return wanted == core.Up
}

// boot starts a module when its node comes up, but not before the machine has been up for
// boot_delay.
func (m *member) boot(mod *module) {
	wanted := m.wanted(mod.conf.Name)
	if !boots(mod.atBoot(), wanted, m.d.booted) {
		if mod.sharing != nil {
			mod.sharing.put(share.Abandoned{}, 0)
		}
		return
	}
	if mod.pair != nil {
		if err := m.inPair(mod.conf.Name); err != nil {
			m.d.noteModule(mod.conf.Name, "config", "warn", fmt.Sprintf("It is not started: %v.", err), nil, 0)
			return
		}
	}
	go func() {
		if sleep(m.ctx, mod.config().BootDelay-uptime()) {
			m.bootNow(mod)
		}
	}()
}

// bootNow starts a module, unless it was started or replaced meanwhile, or the daemon ends:
// then nobody would stop it.
func (m *member) bootNow(mod *module) {
	m.loading.Lock()
	defer m.loading.Unlock()
	m.mu.Lock()
	closing := m.closing
	m.mu.Unlock()
	if closing || mod.runner.Snapshot().State != core.Stop {
		return
	}
	if err := mod.runner.Command(m.ctx, core.VerbStart, "boot", "the start of the daemon"); err != nil {
		m.log.Warn("start a module", "module", mod.conf.Name, "error", err)
	}
}

// firstOfBoot says that no daemon has run here since the machine was booted, and notes that
// one does now. Where nobody can tell one boot from another each start counts as one.
func (d *Daemon) firstOfBoot(now string) (bool, error) {
	path := d.path("run", "boot")
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return true, fmt.Errorf("read when the daemon ran: %w", err)
	}
	if now != "" && strings.TrimSpace(string(before)) == now {
		return false, nil
	}
	if err := replaceFile(path, []byte(now+"\n")); err != nil {
		return true, fmt.Errorf("note that the daemon runs: %w", err)
	}
	return true, nil
}

// never is longer than any boot_delay.
const never = math.MaxInt64

// sleep waits; a time that is not positive has passed. It says whether ctx goes
// on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
