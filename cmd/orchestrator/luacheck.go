package main

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/custom"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// luaChecks runs checks that are written in Lua, for the checker custom: in the sandbox
// of hooks, but in the checkers' process, where one in a loop harms no module.
type luaChecks struct{}

// Check runs one. The first two arguments are the names of module and resource, as
// those of a program are.
func (luaChecks) Check(ctx context.Context, s custom.Script) sdk.Result {
	k := hook.Check{Dir: s.Directory, File: s.Path, Vars: s.Vars, Timeout: s.Timeout}
	if k.Args = s.Args; len(k.Args) >= 2 {
		k.Module, k.Resource, k.Args = k.Args[0], k.Args[1], k.Args[2:]
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		k.Env = append(k.Env, name+"="+s.Env[name])
	}
	if tools := s.Env["SAFE"]; tools != "" {
		k.Program = filepath.Join(tools, "orchestrator")
	}
	start := time.Now()
	value, reason := luaHost().Check(ctx, k)
	r := sdk.Result{Status: sdk.StatusUnknown, Reason: reason, Took: time.Since(start)}
	switch value {
	case core.ResUp:
		r.Status, r.Detail, r.Reason = sdk.StatusUp, reason, ""
	case core.ResDown:
		r.Status = sdk.StatusDown
	}
	return r
}

// luaHost runs Lua in a plugin's process. It knows no applications, resources or
// modules: those are the daemon's.
var luaHost = sync.OnceValue(func() *hook.Host { return hook.New(hook.Options{Log: slog.Default()}) })
