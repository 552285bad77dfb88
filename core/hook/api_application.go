package hook

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"runtime"

	lua "github.com/yuin/gopher-lua"
)

func applicationFunctions() []Function {
	return []Function{
		{
			Name: "application", Since: "0.1", call: (*call).application,
			Doc: "Names an application that a plugin starts and stops. Nothing happens until a method is called.",
			Params: []Param{
				{"plugin", "string", `name of the plugin: "process", "systemd", "w3svc"`, false},
				{"instance", "string", "tells several applications of one plugin apart; default: the plugin's name", true},
			},
			Returns: []Param{{"app", "Application", "", false}},
			Example: "local web = application(\"process\", \"web\")\nweb:start { command = { \"/usr/sbin/mywebd\", \"-f\" }, timeout = \"30s\" }",
		},
		{
			Name: "Application:start", Since: "0.1", call: (*call).appStart,
			Doc:    "Starts the application and returns when it runs; does nothing if it already does. The settings are remembered for stop and status. Raises an error if it cannot be started.",
			Params: []Param{{"options", "StartOptions", "", true}},
		},
		{
			Name: "Application:stop", Since: "0.1", call: (*call).appStop,
			Doc:    "Stops the application and returns when nothing of it runs any more; does nothing if it does not run. Uses the settings of the last start unless others are given.",
			Params: []Param{{"options", "StopOptions", "", true}},
		},
		{
			Name: "Application:status", Since: "0.1", call: (*call).appStatus,
			Doc:     "Tells whether the application runs. Raises an error if nobody can tell.",
			Returns: []Param{{"status", "ApplicationStatus", "", false}},
		},
		{
			Name: "Application:available", Since: "0.1", call: (*call).appAvailable,
			Doc:     "Tells whether the plugin can work on this server.",
			Returns: []Param{{"ok", "boolean", "", false}, {"reason", "string", "why not", false}},
		},
		{
			Name: "service", Since: "0.1", call: (*call).service,
			Doc:     "Names a service of the operating system: a systemd unit on Linux, a Windows service on Windows. The same as application(\"systemd\", name) or application(\"w3svc\", name) with the setting that names the service.",
			Params:  []Param{{"name", "string", `name of the service: "nginx"`, false}},
			Returns: []Param{{"app", "Application", "", false}},
			Example: "service(\"nginx\"):start { timeout = \"30s\" }",
		},
	}
}

// application is the Go side of an application object.
type application struct {
	plugin   string
	instance string // module/name
	settings map[string]any
}

func (c *call) application(l *lua.LState) int {
	plugin := l.CheckString(1)
	return c.pushApplication(l, &application{plugin: plugin, instance: c.run.Module + "/" + l.OptString(2, plugin)})
}

// serviceSettings name the one service in the settings of the plugin that
// controls services on this system.
func serviceSettings(goos, name string) (plugin string, settings map[string]any) {
	if goos == "windows" {
		return "w3svc", map[string]any{"services": []any{name}}
	}
	return "systemd", map[string]any{"unit": name}
}

func (c *call) service(l *lua.LState) int {
	name := l.CheckString(1)
	plugin, settings := serviceSettings(runtime.GOOS, name)
	return c.pushApplication(l, &application{plugin: plugin, instance: c.run.Module + "/" + name, settings: settings})
}

// pushApplication pushes an object with the methods of the API table.
func (c *call) pushApplication(l *lua.LState, a *application) int {
	if c.host.opts.Applications == nil {
		l.RaiseError("application %s: applications cannot be controlled here", a.instance)
	}
	meta, methods := l.NewTable(), l.NewTable()
	for _, f := range c.host.functions {
		if name, ok := methodOf("Application", f.Name); ok {
			methods.RawSetString(name, l.NewFunction(func(l *lua.LState) int { return f.call(c, l) }))
		}
	}
	strict(l, methods, "Application:")
	meta.RawSetString("__index", methods)
	meta.RawSetString("__metatable", lua.LFalse)
	meta.RawSetString("__tostring", l.NewFunction(func(l *lua.LState) int {
		l.Push(lua.LString("application " + a.instance))
		return 1
	}))
	ud := l.NewUserData()
	ud.Value, ud.Metatable = a, meta
	l.Push(ud)
	return 1
}

// methodOf splits "Application:start".
func methodOf(class, name string) (method string, ok bool) {
	if len(name) > len(class) && name[:len(class)] == class && name[len(class)] == ':' {
		return name[len(class)+1:], true
	}
	return "", false
}

// self is the application that a method was called on.
func (c *call) self(l *lua.LState, method string) *application {
	if ud, ok := l.Get(1).(*lua.LUserData); ok {
		if a, ok := ud.Value.(*application); ok {
			return a
		}
	}
	l.RaiseError("%s is a method: write app:%s(), with a colon", method, method)
	return nil
}

// settingsOf makes the settings of an application from an option table; nil
// if it holds none. reserved fields are not settings.
func settingsOf(o options, a *application, reserved ...string) json.RawMessage {
	m := map[string]any{}
	for k, v := range a.settings {
		m[k] = v
	}
	skip := map[string]bool{}
	for _, r := range reserved {
		skip[r] = true
	}
	o.table.ForEach(func(k, v lua.LValue) {
		name, ok := k.(lua.LString)
		if !ok {
			o.raise("takes named settings only, as in :start{ name = value }")
		}
		if skip[string(name)] {
			return
		}
		g, err := toGo(v, string(name), 0)
		if err != nil {
			o.raise("%s", err)
		}
		m[string(name)] = g
	})
	if len(m) == 0 {
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		o.raise("settings: %s", err)
	}
	return text
}

func (c *call) appStart(l *lua.LState) int {
	a := c.self(l, "start")
	o := c.options(l, 2, "start "+a.instance+":", "StartOptions")
	settings := settingsOf(o, c.hosted(a), "timeout")
	ctx, cancel := c.limited("start of "+a.instance, o.duration("timeout", 0))
	defer cancel()
	// Remembered before the start: a start that fails half-way must be stopped
	// with the same settings.
	if err := c.host.memory.keep(a.instance, settings); err != nil {
		o.raise("%s", err)
	}
	_, err := await(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.host.opts.Applications.Start(ctx, a.plugin, a.instance, settings)
	})
	if err != nil {
		o.raise("%s", err)
	}
	return 0
}

// hosted is the application with the host name that the module's programs see, if its
// plugin can give it one. A setting of the hook wins.
func (c *call) hosted(a *application) *application {
	if c.run.Host == "" || a.plugin != "process" {
		return a
	}
	named := *a
	named.settings = map[string]any{"hostname": c.run.Host}
	maps.Copy(named.settings, a.settings)
	return &named
}

func (c *call) appStop(l *lua.LState) int {
	a := c.self(l, "stop")
	o := c.options(l, 2, "stop "+a.instance+":", "StopOptions")
	force := o.flag("force")
	settings := settingsOf(o, a, "timeout", "force")
	if settingsOf(o, &application{}, "timeout", "force") == nil { // none given here
		if kept := c.host.memory.recall(a.instance); kept != nil {
			settings = kept
		}
	}
	ctx, cancel := c.limited("stop of "+a.instance, o.duration("timeout", 0))
	defer cancel()
	_, err := await(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.host.opts.Applications.Stop(ctx, a.plugin, a.instance, settings, force)
	})
	if err != nil {
		o.raise("%s", err)
	}
	return 0
}

func (c *call) appStatus(l *lua.LState) int {
	a := c.self(l, "status")
	settings := c.host.memory.recall(a.instance)
	if settings == nil {
		settings = settingsOf(options{l: l, who: "status", table: l.NewTable()}, a)
	}
	type status struct {
		up     bool
		reason string
	}
	s, err := await(c.ctx, func(ctx context.Context) (status, error) {
		up, reason, err := c.host.opts.Applications.Status(ctx, a.plugin, a.instance, settings)
		return status{up, reason}, err
	})
	if err != nil {
		l.RaiseError("status %s: %s", a.instance, err.Error())
	}
	l.Push(c.result(l, "ApplicationStatus", map[string]lua.LValue{"up": lua.LBool(s.up), "reason": lua.LString(s.reason)}))
	return 1
}

func (c *call) appAvailable(l *lua.LState) int {
	a := c.self(l, "available")
	reason, err := await(c.ctx, func(context.Context) (string, error) {
		ok, reason := c.host.opts.Applications.Available(a.plugin)
		if ok {
			return "", nil
		}
		return reason, errUnavailable
	})
	if err != nil && !errors.Is(err, errUnavailable) {
		l.RaiseError("available %s: %s", a.instance, err.Error())
	}
	l.Push(lua.LBool(err == nil))
	l.Push(lua.LString(reason))
	return 2
}

// errUnavailable carries "no" through await.
var errUnavailable = errors.New("not available")
