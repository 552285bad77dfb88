package hook

import (
	"context"

	lua "github.com/yuin/gopher-lua"

	"github.com/orchestrator-ha/orchestrator/core"
)

func moduleFunctions() []Function {
	order := func(name, what string, verb core.Verb) Function {
		return Function{
			Name: "module." + name, Since: "0.1",
			Doc:    what + " The order is carried out when the hook has ended.",
			Params: []Param{{"reason", "string", "shown by `orchestrator why`", true}},
			call:   func(c *call, l *lua.LState) int { return c.order(l, name, verb) },
		}
	}
	return []Function{
		{
			Name: "resource.get", Since: "0.1", call: (*call).resourceGet,
			Doc:    "Returns what is known of a resource of the module; nil for a resource that does not exist.",
			Params: []Param{{"name", "string", `class and identifier: "tcp.web", "custom.ready"`, false}},
			Returns: []Param{
				{"value", `"init"|"up"|"down"|"unknown"|nil`, "", false},
				{"reason", "string", "what was seen", true},
			},
		},
		{
			Name: "resource.set", Since: "0.1", call: (*call).resourceSet,
			Doc: "Publishes a resource of the module, for failover rules and for people.",
			Params: []Param{
				{"name", "string", `class and identifier: "custom.ready"`, false},
				{"value", `"up"|"down"|"unknown"`, "", false},
				{"reason", "string", "what was seen", true},
			},
			Example: "resource.set(\"custom.licence\", \"down\", \"the licence ends today\")",
		},
		order("stop", "Stops the module on this server.", core.VerbStop),
		order("restart", "Restarts the application of the module on this server; the module stays active.", core.VerbRestart),
		order("stopstart", "Stops the module on this server and starts it again.", core.VerbStopStart),
		order("wait", "Stops the application on this server and holds the module back until wakeup.", core.VerbWait),
		order("wakeup", "Lets a module go on that wait holds back.", core.VerbWakeup),
	}
}

func (c *call) resourceGet(l *lua.LState) int {
	name := l.CheckString(1)
	if c.host.opts.Resources == nil {
		l.RaiseError("resource.get %s: resources cannot be read here", name)
	}
	type found struct {
		r  core.Resource
		ok bool
	}
	f, err := await(c.ctx, func(context.Context) (found, error) {
		r, ok := c.host.opts.Resources.Get(c.run.Module, name)
		return found{r, ok}, nil
	})
	if err != nil {
		l.RaiseError("resource.get %s: %s", name, err.Error())
	}
	if !f.ok {
		l.Push(lua.LNil)
		return 1
	}
	l.Push(lua.LString(f.r.Value))
	l.Push(lua.LString(f.r.Reason))
	return 2
}

func (c *call) resourceSet(l *lua.LState) int {
	name, value, reason := l.CheckString(1), core.Value(l.CheckString(2)), l.OptString(3, "")
	switch value {
	case core.ResUp, core.ResDown, core.ResUnknown:
	default:
		l.RaiseError("resource.set %s: %q is no value; a resource is \"up\", \"down\" or \"unknown\"", name, string(value))
	}
	if c.host.opts.Resources == nil {
		l.RaiseError("resource.set %s: resources cannot be set here", name)
	}
	_, err := await(c.ctx, func(context.Context) (struct{}, error) {
		return struct{}{}, c.host.opts.Resources.Set(c.run.Module, name, value, reason)
	})
	if err != nil {
		l.RaiseError("resource.set %s: %s", name, err.Error())
	}
	return 0
}

// order passes a command on to the module.
func (c *call) order(l *lua.LState, name string, verb core.Verb) int {
	reason := "hook " + c.run.Args.Name
	if text := l.OptString(1, ""); text != "" {
		reason += ": " + text
	}
	if c.host.opts.Modules == nil {
		l.RaiseError("module.%s: the module cannot be controlled here", name)
	}
	_, err := await(c.ctx, func(context.Context) (struct{}, error) {
		return struct{}{}, c.host.opts.Modules.Command(c.run.Module, verb, reason)
	})
	if err != nil {
		l.RaiseError("module.%s: %s", name, err.Error())
	}
	c.out.line("INFO  module." + name + " (" + reason + ")")
	return 0
}
