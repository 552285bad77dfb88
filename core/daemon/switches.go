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
	"github.com/orchestrator-ha/orchestrator/core/check"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// switches are what an operator has set of a module on this node for as long as it
// is installed. They are kept over a restart of the daemon.
type switches struct {
	Muted   []string `json:"muted,omitempty"`   // watches that are switched off: control.WatchChecks, control.WatchProcesses
	Boot    string   `json:"boot,omitempty"`    // on or off, where the configuration leaves it to the operator
	Classes []string `json:"classes,omitempty"` // the module's own classes of processes that are switched on
}

// watchOf says which watch a resource belongs to.
func watchOf(resource string) string {
	if strings.HasPrefix(resource, "proc.") {
		return control.WatchProcesses
	}
	return control.WatchChecks
}

func (s switches) mutes(resource string) bool { return slices.Contains(s.Muted, watchOf(resource)) }

// dropped is a list without one of its members.
func dropped(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(m string) bool { return m == one })
}

// added is a list with one more member, sorted.
func added(list []string, one string) []string {
	list = append(dropped(list, one), one)
	slices.Sort(list)
	return list
}

// turned is s with one switch turned.
func (s switches) turned(name, to string) (switches, error) {
	if class, ok := strings.CutPrefix(name, control.ClassPrefix); ok {
		switch to {
		case "on":
			s.Classes = added(s.Classes, class)
		case "off":
			s.Classes = dropped(s.Classes, class)
		default:
			return s, fmt.Errorf("a class of processes is on or off, not %q", to)
		}
		return s, nil
	}
	switch name {
	case control.WatchChecks, control.WatchProcesses:
		switch to {
		case "on":
			s.Muted = dropped(s.Muted, name)
		case "off":
			s.Muted = added(s.Muted, name)
		default:
			return s, fmt.Errorf("%s are on or off, not %q", name, to)
		}
	case control.SwitchBoot:
		if to != "on" && to != "off" && to != "auto" {
			return s, fmt.Errorf("boot is on, off or auto, not %q", to)
		}
		s.Boot = to
	default:
		return s, fmt.Errorf("there is no switch %q: there are %s, %s and %s", name, control.WatchChecks, control.WatchProcesses, control.SwitchBoot)
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
	if err := mod.hasClass(r.Name); err != nil {
		return control.Outcome{}, err
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
	next, err := mod.switches.turned(r.Name, r.To)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(next)
	if err == nil {
		err = replaceDurably(mod.m.switchesFile(mod.conf.Name), raw)
	}
	if err != nil {
		return fmt.Errorf("keep what was switched: %w", err)
	}
	mod.switches = next
	mod.m.d.noteModule(mod.conf.Name, "command", "info", fmt.Sprintf("%s turns %s of %s %s.", by, r.Name, mod.conf.Name, r.To), map[string]any{"switch": r.Name, "to": r.To, "by": by}, 0)
	mod.mu.Lock()
	parts := slices.Clone(mod.checking)
	mod.mu.Unlock()
	mod.watch(parts)
	if (r.Name == control.WatchChecks || r.Name == control.WatchProcesses) && mod.config().Core().Hooks["update"] {
		mod.runner.Post(core.Event{Kind: core.EventCommand, Verb: core.VerbUpdate, By: by, Reason: r.Name + " " + r.To})
	}
	return nil
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

// hasClass refuses to switch a class of processes that the module has not.
func (mod *module) hasClass(name string) error {
	class, ok := strings.CutPrefix(name, control.ClassPrefix)
	if !ok {
		return nil
	}
	var own []string
	for _, p := range mod.config().Procs {
		if p.Class == class {
			return nil
		}
		if p.Class != "" && !slices.Contains(own, p.Class) {
			own = append(own, p.Class)
		}
	}
	return &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("%s has no class %q of its own in <errd>; it has: %s", mod.conf.Name, class, listOr(own, "none"))}
}

// unwatched are the resources of the configuration that are not watched now, and why.
// settle is held.
func (mod *module) unwatched(conf *config.Module) map[string]string {
	off := map[string]string{}
	for _, p := range conf.Procs {
		if p.Class != "" && !slices.Contains(mod.switches.Classes, p.Class) {
			off[p.Resource()] = fmt.Sprintf("class %s is not switched on", p.Class)
		}
	}
	for _, c := range conf.Checks() {
		if mod.switches.mutes(c.Resource) {
			off[c.Resource] = watchOf(c.Resource) + " are switched off"
		}
	}
	return off
}

// watch runs the checks of these parts of the module's life that are not switched
// off. Of the others nobody can tell: they neither act nor hold the module back.
// settle is held.
func (mod *module) watch(parts []core.When) {
	conf := mod.config()
	off := mod.unwatched(conf)
	specs := slices.DeleteFunc(mod.specs(parts), func(s check.Spec) bool { return off[s.Resource] != "" })
	if err := mod.m.d.checks.Set(mod.conf.Name, specs); err != nil {
		mod.m.log.Error("set the checks", "module", mod.conf.Name, "error", err)
	}
	for _, c := range conf.Core().Checks {
		if why := off[c.Resource]; why != "" && slices.Contains(parts, c.When) {
			mod.runner.Post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: c.Resource, Value: core.ResUnknown, Reason: why}})
		}
	}
}
