package process

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// record is what is kept of an instance, so that it is known again after the
// plugin's process was replaced. A number of a process counts only together
// with its start time and the boot.
type record struct {
	Boot     string `json:"boot"`
	PID      int    `json:"pid"`              // as it was started; leader of its session
	Start    uint64 `json:"start"`            // start time of PID, in clock ticks since boot
	Forked   bool   `json:"forked,omitempty"` // the main process ended well and left the work to a child
	Settings string `json:"settings"`         // SHA-256
	Cgroup   string `json:"cgroup,omitempty"` // empty: held together by its session
}

// instance is an instance as it is found.
type instance struct {
	name   string
	record record // zero if there is none
	group  group
	pids   []int // what runs
}

// group is what holds the processes of an instance together.
type group interface {
	pids() ([]int, error)
	kill() error // all of them
	remove() error
}

// find looks up what runs of an instance.
func (c *controller) find(name string) (*instance, error) {
	in := &instance{name: name}
	b, err := os.ReadFile(c.file(name, ".json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read record of %s: %w", name, err)
	default:
		if err := json.Unmarshal(b, &in.record); err != nil {
			return nil, fmt.Errorf("read record of %s in %s: %w; remove the file if nothing of it runs", name, c.file(name, ".json"), err)
		}
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if in.record.Boot != boot {
		in.record = record{}
	}
	switch {
	case in.record.Cgroup != "":
		in.group = cgroup(in.record.Cgroup)
	case in.record.PID != 0:
		in.group = session{pid: in.record.PID, start: in.record.Start}
	case c.cgroup != "":
		in.group = c.groupOf(name) // the record was lost, the group is there
	default:
		in.group = session{}
	}
	if in.pids, err = in.group.pids(); err != nil {
		return nil, fmt.Errorf("list processes of %s: %w", name, err)
	}
	return in, nil
}

// main answers the processes to which a stop is told: the one that was started,
// else those whose parent is not of the instance.
func (in *instance) main() []int {
	if p, err := readProc(in.record.PID); err == nil && in.record.PID != 0 && p.start == in.record.Start && slices.Contains(in.pids, in.record.PID) {
		return []int{in.record.PID}
	}
	var tops []int
	for _, pid := range in.pids {
		if p, err := readProc(pid); err == nil && !slices.Contains(in.pids, p.parent) {
			tops = append(tops, pid)
		}
	}
	return tops
}

// orphaned tells whether the main process is gone although it should not be.
func (in *instance) orphaned() bool {
	if len(in.pids) == 0 || in.record.PID == 0 || in.record.Forked {
		return false
	}
	return !slices.Contains(in.main(), in.record.PID)
}

// save writes the record whole or not at all.
func (c *controller) save(name string, r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := c.file(name, ".json")
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write record of %s: %w", name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write record of %s: %w", name, err)
	}
	return nil
}

// forget removes what is left of an instance that does not run.
func (c *controller) forget(in *instance) error {
	if err := c.removeGroup(in.group); err != nil {
		return fmt.Errorf("remove control group of %s: %w", in.name, err)
	}
	if err := os.Remove(c.file(in.name, ".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove record of %s: %w", in.name, err)
	}
	return nil
}

func digest(s settings) (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
