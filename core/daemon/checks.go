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
// not tell of new processes, and how often interfaces are looked at to be sure; that a
// known process ends, or an interface changes, is seen at once.
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
			map[string]any{"addr": c.Addr, "port": c.Port, "timeout": sdk.Duration(c.Timeout)})
	}
	for _, c := range conf.PingChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "ping", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall},
			map[string]any{"addr": c.Addr, "timeout": sdk.Duration(c.Timeout)})
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
			map[string]any{"module": c.Module, "addr": c.Addr, "port": c.Port, "timeout": sdk.Duration(c.Timeout)})
	}
	for _, c := range conf.HTTPChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "http", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall}, mod.httpSettings(c))
	}
	for _, c := range conf.DNSChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "dns", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall},
			map[string]any{"server": c.Server.String(), "port": c.Port, "name": c.Name, "type": c.Type, "answer": c.Answer, "timeout": sdk.Duration(c.Timeout)})
	}
	for _, c := range conf.SQLChecks {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "sql", Interval: c.Interval, Timeout: c.Timeout, Fall: lossFall}, mod.sqlSettings(c))
	}
	for _, c := range conf.PluginChecks {
		settings := map[string]any{}
		for name, value := range c.Settings {
			settings[name] = value
		}
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: c.Name, Interval: c.Interval, Timeout: c.Timeout}, settings)
	}
	for _, w := range conf.Witnesses() {
		spec, settings := mod.witnessSpec(w)
		add(core.WhenPre, spec, settings)
	}
	for _, c := range conf.Procs {
		add(c.When, check.Spec{Resource: c.Resource(), Plugin: "process", Interval: min(scanInterval, c.Poll), Grace: c.Grace}, processSettings(c))
	}
	return list
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

// sqlSettings say where the password is, and not what it is.
func (mod *module) sqlSettings(c config.SQLCheck) map[string]any {
	s := map[string]any{
		"driver": c.Driver, "addr": c.Addr, "database": c.Database, "user": c.User, "tls": c.TLS,
		"query": c.Query, "answer": c.Answer, "timeout": sdk.Duration(c.Timeout),
	}
	for name, text := range map[string]string{"socket": c.Socket, "password_file": c.PasswordFile} {
		if text != "" {
			s[name] = text
		}
	}
	if c.Port != 0 {
		s["port"] = c.Port
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
	s := map[string]any{
		"path": mod.file("bin/" + c.Exec), "args": append([]string{mod.conf.Name, c.Resource()}, c.Args...),
		"directory": mod.dir, "env": env, "timeout": sdk.Duration(c.Timeout),
	}
	if len(run.Vars) > 0 {
		s["vars"] = run.Vars
	}
	return s
}

// file is the path of a file of the module; name may be written as on Windows.
func (mod *module) file(name string) string {
	return filepath.Join(mod.dir, filepath.FromSlash(strings.ReplaceAll(name, `\`, "/")))
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
