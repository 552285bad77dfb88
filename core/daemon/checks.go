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

// scanInterval is how often the process list is looked through for new
// processes, and interfaces are looked at to be sure; that a known process ends, or
// an interface changes, is seen at once.
const scanInterval = time.Second

// lossFall is how many failures in a row mean down for what goes over a network:
// one lost packet is no failure.
const lossFall = 2

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
	for _, c := range conf.TCPChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "tcp", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall},
			map[string]any{"addr": c.Addr.String(), "port": c.Port, "timeout": sdk.Duration(c.Timeout)})
	}
	for _, c := range conf.PingChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "ping", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall},
			map[string]any{"addr": c.Addr.String(), "timeout": sdk.Duration(c.Timeout)})
	}
	if w := conf.SplitBrain; w != nil {
		pace := witnessPace(conf.Heart.Timeout)
		for i, resource := range w.Resources() {
			add(core.WhenPre, check.Spec{Resource: resource, Plugin: "ping", Interval: pace, Timeout: pace, Fall: lossFall},
				map[string]any{"addr": w.Witnesses[i].String(), "timeout": sdk.Duration(pace)})
		}
	}
	for _, c := range conf.IntfChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "intf", Interval: scanInterval}, intfSettings(c))
	}
	for _, c := range conf.IPChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "ip", Interval: c.Interval}, map[string]any{"addr": c.Addr.String()})
	}
	for _, c := range conf.CustomChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "custom", Interval: c.Interval}, mod.customSettings(c))
	}
	for _, c := range conf.ModuleChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "module", Interval: c.Interval, Timeout: c.Timeout},
			map[string]any{"module": c.Module, "addr": c.Addr.String(), "port": c.Port, "timeout": sdk.Duration(c.Timeout)})
	}
	for _, c := range conf.HTTPChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "http", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall}, mod.httpSettings(c))
	}
	for _, c := range conf.DNSChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "dns", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall},
			map[string]any{"server": c.Server.String(), "port": c.Port, "name": c.Name, "type": c.Type, "answer": c.Answer, "timeout": sdk.Duration(c.Timeout)})
	}
	for _, c := range conf.Procs {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "process", Interval: min(scanInterval, c.Poll)}, processSettings(c))
	}
	return list
}

// witnessPace is how often witnesses are asked, and how long they may take: what cut the
// other node off is to be known of them, too, when its silence has lasted long enough.
func witnessPace(silence time.Duration) time.Duration {
	return min(max(silence/6, 100*time.Millisecond), scanInterval)
}

func intfSettings(c config.IntfCheck) map[string]any {
	if c.Name != "" {
		return map[string]any{"name": c.Name}
	}
	return map[string]any{"local_addr": c.Addr.String()}
}

func (mod *module) httpSettings(c config.HTTPCheck) map[string]any {
	s := map[string]any{
		"url": c.URL, "method": c.Method, "headers": c.Headers, "status": c.Status, "body": c.Body, "verify": c.Verify, "timeout": sdk.Duration(c.Timeout),
	}
	if c.CA != "" {
		s["ca"] = mod.file(c.CA)
	}
	return s
}

// customSettings run a program of the module as SafeKit does: with the names of
// module and resource before its own arguments.
func (mod *module) customSettings(c config.CustomCheck) map[string]any {
	run := hook.Run{Module: mod.conf.Name, Dir: mod.dir, Vars: mod.config().User.Vars, Program: mod.m.d.opt.Program}
	env := map[string]string{}
	for _, kv := range run.Environment(mod.m.d.opt.Home, mod.m.d.path("bin")) {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	return map[string]any{
		"path": mod.file("bin/" + c.Exec), "args": append([]string{mod.conf.Name, c.Resource()}, c.Args...),
		"directory": mod.dir, "env": env, "timeout": sdk.Duration(c.Timeout),
	}
}

// file is the path of a file of the module; name may be written as on Windows.
func (mod *module) file(name string) string {
	return filepath.Join(mod.dir, filepath.FromSlash(strings.ReplaceAll(name, `\`, "/")))
}

func processSettings(c config.Proc) map[string]any {
	s := map[string]any{"name": c.Name, "atleast": c.AtLeast, "atmax": c.AtMost, "service": c.Service}
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
