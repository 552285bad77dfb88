package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// What a module put on the network is written down before it is done, so that a
// daemon which was killed leaves nothing that nobody watches: the next one
// removes it before it renews the lease, and starts the module anew.

// laid is what a module put on the network, and what it found there.
type laid struct {
	Addresses []laidAddress           `json:"addresses"`
	Before    map[string]vip.Settings `json:"before,omitempty"` // by interface: without virtual addresses
	// GoesOn: the next start does not stop the application, so it may still have connections.
	GoesOn bool `json:"goes_on,omitempty"`
}

type laidAddress struct {
	Interface string     `json:"interface"`
	Address   netip.Addr `json:"address"`
}

func (d *Daemon) laidFile(module string) string { return d.path("run", "network-"+module+".json") }

// laying notes what a module is about to put on the network.
func (d *Daemon) laying(module string, held []heldAddress, goesOn bool) error {
	l := laid{Before: map[string]vip.Settings{}, GoesOn: goesOn}
	for _, h := range held {
		l.Addresses = append(l.Addresses, laidAddress{h.on.Name, h.addr.Addr})
		before, err := d.holder.Before(h.on)
		if err != nil {
			return fmt.Errorf("note what %s is like before: %w", h.on.Name, err)
		}
		l.Before[h.on.Name] = before
	}
	raw, err := json.Marshal(l)
	if err == nil {
		err = replaceFile(d.laidFile(module), raw)
	}
	if err != nil {
		return fmt.Errorf("note the virtual addresses: %w", err)
	}
	return nil
}

// cleanLeftovers removes what a daemon that was killed left on the network: the
// addresses first, so that the kernel never answers for one without a filter.
// It does so once, before this daemon puts anything there itself.
func (d *Daemon) cleanLeftovers(ctx context.Context) error {
	d.clean.Do(func() { d.cleanErr = d.cleanAll(ctx) })
	return d.cleanErr
}

func (d *Daemon) cleanAll(ctx context.Context) error {
	files, err := filepath.Glob(d.laidFile("*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "network-"), ".json")
		if err := d.cleanLeftover(ctx, name, file); err != nil {
			return fmt.Errorf("remove what %s left on the network: %w", name, err)
		}
		d.noteModule(name, "network", "info", fmt.Sprintf("The daemon ended without stopping %s; its virtual address was removed, to begin anew.", name), nil, 0)
	}
	return d.cleanFilter(ctx)
}

// cleanFilter has the filter forget what it still has of an earlier life of
// this node, for example of one whose home directory was deleted.
func (d *Daemon) cleanFilter(ctx context.Context) error {
	st, err := d.filter.State(ctx)
	if err != nil {
		d.log.Warn("ask the filter what it has", "error", err)
		return nil // it will be asked again when a module needs it
	}
	for _, name := range st.Modules {
		if err := d.filter.Remove(ctx, name); err != nil {
			return fmt.Errorf("have the filter forget %s: %w", name, err)
		}
	}
	return nil
}

func (d *Daemon) cleanLeftover(ctx context.Context, name, file string) error {
	l, err := d.removeLaid(file)
	if err != nil {
		return err
	}
	if err := d.filter.Remove(ctx, name); err != nil {
		return err
	}
	if l.GoesOn {
		d.mu.Lock()
		d.left = append(d.left, name)
		d.mu.Unlock()
	}
	return os.Remove(file)
}

// goesOn says that the module's next start does not stop its application, as it does
// where there is no prestart hook.
func (mod *module) goesOn() bool {
	return mod.sharing != nil && slices.ContainsFunc(mod.config().Hooks, func(h config.Hook) bool { return h.Name == "prestart" })
}

// leftDigest is what the first heartbeats say: which applications were left running, so
// that the others do not give up their connections.
func (m *member) leftDigest() (b []byte) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	for _, name := range m.d.left {
		b = m.digests.own(name, share.Digest{Left: true})
	}
	return b
}

// takeLeft tells a module that its application was left running.
func (mod *module) takeLeft() {
	d := mod.m.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.left, mod.conf.Name); i >= 0 && mod.sharing != nil {
		d.left = slices.Delete(d.left, i, i+1)
		mod.sharing.put(share.Left{}, 0)
	}
}

// forgetLeft takes back what leftDigest said of modules that are not here any more.
func (m *member) forgetLeft() {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	for _, name := range m.d.left {
		m.publish(name, share.Digest{})
	}
	m.d.left = nil
}

// removeLaid removes the addresses of a note from their interfaces, and answers
// the note.
func (d *Daemon) removeLaid(file string) (l laid, all error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return laid{}, err
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		d.log.Warn("read a note about virtual addresses", "file", file, "error", err)
	}
	all = vip.ForgetSources() // before the addresses go: with a source that is not there nothing can be sent
	for _, a := range l.Addresses {
		all = errors.Join(all, d.holder.RemoveEverywhere(a.Address)) // the interface may have another name now
	}
	for name, before := range l.Before {
		all = errors.Join(all, d.holder.Restore(name, before))
	}
	return l, all
}
