package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// errInUse says that another daemon uses the home directory.
var errInUse = errors.New("another daemon already uses it")

// Clean removes what the daemon of a home directory, which must not run, left on
// the network: first the virtual addresses, so that the kernel never answers for
// one without a filter, then by takeOff the filter. It says what was removed;
// nothing is no error.
func Clean(home string, log *slog.Logger, takeOff func() ([]string, error)) (did []string, err error) {
	did = []string{}
	if _, missing := os.Stat(home); missing == nil {
		unlock, busy := lockHome(home)
		if errors.Is(busy, errInUse) {
			return nil, fmt.Errorf("the daemon of %s runs and needs what it has in the kernel; stop it first with: systemctl stop orchestrator", home)
		}
		if busy != nil {
			return nil, busy
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	d := &Daemon{opt: Options{Home: home}, log: log, holder: vip.NewHolder()}
	files, err := filepath.Glob(d.laidFile("*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		note, err := d.removeLaid(file)
		if err != nil {
			return nil, fmt.Errorf("remove virtual addresses: %w", err)
		}
		for _, a := range note.Addresses {
			did = append(did, fmt.Sprintf("virtual address %s (on %s)", a.Address, a.Interface))
		}
	}
	more, err := takeOff()
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return nil, fmt.Errorf("remove the note about virtual addresses: %w", err)
		}
	}
	return append(did, more...), nil
}
