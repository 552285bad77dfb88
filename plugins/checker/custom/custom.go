// Package custom is the checker that runs a program, which decides.
//
// The program either ends, and its exit code tells, or goes on and prints a line
// whenever it knows something new. Instead of a program it may be a file of Lua, whose
// function is called.
package custom

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// minPause is the least time between the end of a program and its next start.
const minPause = 100 * time.Millisecond

// Lua runs checks that are written in Lua. Whoever serves this plugin brings one.
type Lua interface {
	Check(ctx context.Context, s Script) sdk.Result
}

// Script is one run of a check in Lua.
type Script struct {
	Path      string // of the file
	Directory string
	Args      []string
	Vars, Env map[string]string
	Timeout   time.Duration // 0: what Lua thinks right
}

// New makes the checker. Without Lua it refuses files that end in .lua.
func New(lua Lua) sdk.Checker {
	c := checker{lua}
	return sdk.Probe[settings]{
		Name: "custom", Summary: "runs a program; up when it ends with 0 or says so",
		Properties: `{
			"path": {"type": "string", "minLength": 1, "description": "the program; or a file of Lua that ends in .lua"},
			"args": {"type": "array", "items": {"type": "string"}},
			"directory": {"type": "string", "description": "working directory"},
			"env": {"type": "object", "additionalProperties": {"type": "string"}, "description": "added to the environment"},
			"vars": {"type": "object", "additionalProperties": {"type": "string"}, "description": "ctx.vars of Lua"},
			"timeout": {
				"description": "how long it may go on without saying anything, or Lua take; it is killed then, and that is down. 0: for ever, in Lua 10 s",
				"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
			}
		}`,
		Required: []string{"path"},
		Look:     c.look,
		Watch:    c.watch,
	}.Checker()
}

type checker struct{ lua Lua }

type settings struct {
	Path      string            `json:"path"`
	Args      []string          `json:"args"`
	Directory string            `json:"directory"`
	Env       map[string]string `json:"env"`
	Vars      map[string]string `json:"vars"`
	Timeout   sdk.Duration      `json:"timeout"`
}

// isLua says that the file is no program but is run here.
func (s settings) isLua() bool { return strings.EqualFold(filepath.Ext(s.Path), ".lua") }

// once runs the program or the Lua file to its end.
func (c checker) once(ctx context.Context, s settings, report func(sdk.Result)) sdk.Result {
	switch {
	case !s.isLua():
		return s.run(ctx, report)
	case c.lua == nil:
		return sdk.Unknown("%s: this program runs no Lua", s.name())
	}
	return c.lua.Check(ctx, Script{
		Path: s.Path, Directory: s.Directory, Args: s.Args, Vars: s.Vars, Env: s.Env, Timeout: time.Duration(s.Timeout),
	})
}

// look runs it until it ends or says something.
func (c checker) look(ctx context.Context, s settings) sdk.Result {
	timed, stop := context.WithCancel(ctx)
	defer stop()
	var first sdk.Result
	r := c.once(timed, s, func(said sdk.Result) {
		if first.Status == "" {
			first = said
		}
		stop()
	})
	switch {
	case first.Status != "":
		return first
	case ctx.Err() != nil:
		return sdk.Unknown("%s has neither ended nor said anything when the check had to end", s.name())
	}
	return r
}

// watch runs it, and again interval after its last start, or soon after its end if that
// is later.
func (c checker) watch(ctx context.Context, s settings, interval time.Duration, report func(sdk.Result)) error {
	for {
		start := time.Now()
		r := c.once(ctx, s, report)
		if ctx.Err() != nil {
			return nil
		}
		report(r)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(interval-time.Since(start), minPause)):
		}
	}
}
