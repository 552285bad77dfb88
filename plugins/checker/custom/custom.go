// Package custom is the checker that runs a program, which decides.
//
// The program either ends, and its exit code tells, or goes on and prints a line
// whenever it knows something new.
package custom

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["path"],
	"additionalProperties": false,
	"properties": {
		"path": {"type": "string", "minLength": 1, "description": "the program"},
		"args": {"type": "array", "items": {"type": "string"}},
		"directory": {"type": "string", "description": "working directory"},
		"env": {"type": "object", "additionalProperties": {"type": "string"}, "description": "added to the environment"},
		"timeout": {
			"description": "how long it may go on without saying anything; it is killed then, and that is down. 0: for ever",
			"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// minPause is the least time between the end of a program and its next start.
const minPause = 100 * time.Millisecond

// New makes the checker.
func New() sdk.Watcher { return checker{} }

type checker struct{}

func (checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "custom", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "runs a program; up when it ends with 0 or says so",
		Schema:  json.RawMessage(schema),
	}
}

type settings struct {
	Path      string            `json:"path"`
	Args      []string          `json:"args"`
	Directory string            `json:"directory"`
	Env       map[string]string `json:"env"`
	Timeout   sdk.Duration      `json:"timeout"`
}

// Check runs the program until it ends or says something.
func (checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	var s settings
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return unknown(err.Error())
	}
	timed, stop := context.WithCancel(ctx)
	defer stop()
	var first sdk.Result
	r := s.run(timed, func(said sdk.Result) {
		if first.Status == "" {
			first = said
		}
		stop()
	})
	switch {
	case first.Status != "":
		return first
	case ctx.Err() != nil:
		return unknown(s.name() + " has neither ended nor said anything when the check had to end")
	}
	return r
}

// Watch runs the program, and again interval after its last start, or soon after
// its end if that is later.
func (checker) Watch(ctx context.Context, raw json.RawMessage, interval time.Duration, report func(sdk.Result)) error {
	var s settings
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return err
	}
	for {
		start := time.Now()
		r := s.run(ctx, report)
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

func unknown(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: reason}
}

func down(format string, args ...any) sdk.Result {
	return sdk.Result{Status: sdk.StatusDown, Reason: fmt.Sprintf(format, args...)}
}
