package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// switches are what an operator has set of a module on this node for as long as it
// is installed. They are kept over a restart of the daemon.
type switches struct {
	Muted []string `json:"muted,omitempty"` // watches that are switched off: control.WatchChecks, control.WatchProcesses
	Boot  string   `json:"boot,omitempty"`  // on or off, where the configuration leaves it to the operator
}

// watchOf says which watch a resource belongs to.
func watchOf(resource string) string {
	if strings.HasPrefix(resource, "proc.") {
		return control.WatchProcesses
	}
	return control.WatchChecks
}

func (s switches) mutes(resource string) bool { return slices.Contains(s.Muted, watchOf(resource)) }

// turned is s with one switch turned.
func (s switches) turned(name, to string) (switches, error) {
	switch name {
	case control.WatchChecks, control.WatchProcesses:
		s.Muted = slices.DeleteFunc(slices.Clone(s.Muted), func(m string) bool { return m == name })
		switch to {
		case "on":
		case "off":
			s.Muted = append(s.Muted, name)
			slices.Sort(s.Muted)
		default:
			return s, fmt.Errorf("%s are on or off, not %q", name, to)
		}
	case control.SwitchClass:
		if to != "on" && to != "off" {
			return s, fmt.Errorf("a class is on or off, not %q", to)
		}
	case control.SwitchBoot:
		if to != "on" && to != "off" && to != "auto" {
			return s, fmt.Errorf("boot is on, off or auto, not %q", to)
		}
		s.Boot = to
	default:
		return s, fmt.Errorf("there is no switch %q: there are %s, %s, %s and %s", name, control.WatchChecks, control.WatchProcesses, control.SwitchBoot, control.SwitchClass)
	}
	return s, nil
}

// atBoot is what boot means for the module: what the configuration says unless
// that is ignore, else what the operator has set.
func (s switches) atBoot(configured string) string {
	if configured != "ignore" && configured != "" {
		return configured
	}
	return cmp.Or(s.Boot, "auto")
}

func (m *member) switchesFile(module string) string {
	return m.d.path("state", module+".switches.json")
}

// loadSwitches reads what was set; what cannot be read counts as not set.
func (m *member) loadSwitches(module string) (s switches) {
	raw, err := os.ReadFile(m.switchesFile(module))
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.log.Error("read what was switched", "module", module, "error", err)
	}
	return s
}

// Switch turns a switch of a module on the nodes that are asked for.
func (d *Daemon) Switch(ctx context.Context, by, name string, r control.SwitchRequest) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	if _, err := (switches{}).turned(r.Name, r.To); err != nil {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: err.Error()}
	}
	if known := mod.config().Classes(); r.Name == control.SwitchClass && !slices.Contains(known, r.Class) {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%s has no class %q of processes: it has %s", name, r.Class, listOr(known, "none of its own"))}
	}
	if b := mod.config().Boot; r.Name == control.SwitchBoot && b != "ignore" && b != "" {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf(`boot="%s" in the configuration of %s decides; write boot="ignore" there to decide on each node`, b, name)}
	}
	return mod.m.each(ctx, r.Nodes, r.Here, order{Module: name, Switch: &r, By: by})
}

// turn turns a switch here, and puts it into effect.
func (mod *module) turn(r control.SwitchRequest, by string) error {
	mod.settle.Lock()
	defer mod.settle.Unlock()
	if r.Name == control.SwitchClass {
		mod.enable(r.Class, r.To == "on", by)
		return nil
	}
	next, err := mod.switches.turned(r.Name, r.To)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(next)
	if err == nil {
		err = replaceFile(mod.m.switchesFile(mod.conf.Name), raw)
	}
	if err != nil {
		return fmt.Errorf("keep what was switched: %w", err)
	}
	mod.switches = next
	mod.m.d.noteModule(mod.conf.Name, "command", "info", fmt.Sprintf("%s turns %s of %s %s.", by, r.Name, mod.conf.Name, r.To), map[string]any{"switch": r.Name, "to": r.To, "by": by}, 0)
	mod.watch(mod.parts())
	return nil
}

// parts are those of the module's life whose checks run.
func (mod *module) parts() []core.When {
	mod.mu.Lock()
	defer mod.mu.Unlock()
	return slices.Clone(mod.checking)
}

// muted lists the watches that are off.
func (mod *module) muted() []string {
	mod.settle.Lock()
	defer mod.settle.Unlock()
	return mod.switches.Muted
}

// atBoot says whether the module starts when the node boots.
func (mod *module) atBoot() string {
	mod.settle.Lock()
	defer mod.settle.Unlock()
	return mod.switches.atBoot(mod.config().Boot)
}

// unwatched says why a resource is not looked at; empty if it is. settle is held.
func (mod *module) unwatched(resource string) string {
	if mod.switches.mutes(resource) {
		return watchOf(resource) + " are switched off"
	}
	for _, p := range mod.config().Procs {
		if p.Resource() == resource && p.Class != "" && !mod.classes[p.Class] {
			return "class " + p.Class + " is not enabled"
		}
	}
	return ""
}

// watch runs the checks of these parts of the module's life that are not switched
// off. Of the others nobody can tell: they neither act nor hold the module back.
// settle is held.
func (mod *module) watch(parts []core.When) {
	specs := mod.specs(parts)
	kept := specs[:0]
	for _, s := range specs {
		if mod.unwatched(s.Resource) == "" {
			kept = append(kept, s)
		}
	}
	if err := mod.m.d.checks.Set(mod.conf.Name, kept); err != nil {
		mod.m.log.Error("set the checks", "module", mod.conf.Name, "error", err)
	}
	for _, c := range mod.config().Core().Checks {
		if why := mod.unwatched(c.Resource); why != "" && slices.Contains(parts, c.When) {
			mod.runner.Post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: c.Resource, Value: core.ResUnknown, Reason: why}})
		}
	}
}
