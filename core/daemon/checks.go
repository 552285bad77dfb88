package daemon

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/check"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// scanInterval is how often the process list is looked through where the system does
// not tell of new processes; that a known process ends is seen at once.
const scanInterval = time.Second

// resource hands a check's result to its module.
func (d *Daemon) resource(name string, r core.Resource) {
	mod, err := d.module(name)
	if err != nil {
		return
	}
	mod.runner.Post(core.Event{Kind: core.EventResource, Resource: r})
}

// check starts or stops the checks of one part of the module's life.
func (mod *module) check(when core.When, start bool) {
	mod.settle.Lock()
	defer mod.settle.Unlock()
	mod.mu.Lock()
	mod.checking = slices.DeleteFunc(mod.checking, func(w core.When) bool { return w == when })
	if start {
		mod.checking = append(mod.checking, when)
	}
	parts := slices.Clone(mod.checking)
	mod.mu.Unlock()
	if r := mod.ruling.Load(); start && r != nil {
		r.begin(when)
	}
	mod.watch(parts)
}

// specs are the checks that run during the given parts.
func (mod *module) specs(parts []core.When) []check.Spec {
	var list []check.Spec
	add := func(when core.When, spec check.Spec, settings map[string]any) {
		if slices.Contains(parts, when) {
			spec.Settings = encode(settings)
			list = append(list, spec)
		}
	}
	conf := mod.config()
	for _, c := range slices.Concat(conf.Checkers, conf.Witnesses()) {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: c.Plugin, Interval: c.Interval, Timeout: c.Timeout, Fall: c.Fall}, mod.settings(c))
	}
	for _, c := range conf.Procs {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "process", Interval: min(scanInterval, c.Poll), Grace: c.Grace}, processSettings(c))
	}
	return list
}

// settings are those of a checker on this node: files of the module have their whole
// paths, and its programs get the environment of hooks.
func (mod *module) settings(c config.Checker) map[string]any {
	s := map[string]any{}
	for name, value := range c.Settings {
		if file, ok := value.(config.File); ok {
			value = filepath.Join(mod.dir, filepath.FromSlash(string(file)))
		}
		s[name] = value
	}
	if c.Program {
		mod.forProgram(s)
	}
	return s
}

// forProgram adds to settings what a program of the module runs with.
func (mod *module) forProgram(s map[string]any) {
	run := hook.Run{Module: mod.conf.Name, Dir: mod.dir, Vars: mod.config().User.Vars, Program: mod.m.d.opt.Program}
	env := map[string]string{}
	for _, kv := range run.Environment(mod.m.d.opt.Home, mod.m.d.path("bin")) {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	s["directory"], s["env"] = mod.dir, env
	if len(run.Vars) > 0 {
		s["vars"] = run.Vars
	}
}

func processSettings(c config.Proc) map[string]any {
	s := map[string]any{"name": c.Name, "atleast": c.AtLeast, "atmax": c.AtMost, "service": c.Service, "poll": sdk.Duration(c.Poll)}
	for key, pattern := range map[string]string{"nameregex": c.NameRegex, "argregex": c.ArgRegex} {
		if pattern != "" {
			s[key] = pattern
		}
	}
	return s
}

// encode makes JSON of values that can always be encoded.
func encode(v map[string]any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers and booleans come here
	}
	return raw
}
