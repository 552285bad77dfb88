// Package process is the checker that counts the processes of an application,
// by command name, patterns and arguments, or asks the system whether a service
// runs.
package process

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
	"additionalProperties": false,
	"minProperties": 1,
	"anyOf": [{"required": ["name"]}, {"required": ["nameregex"]}, {"required": ["argregex"]}],
	"properties": {
		"name": {"type": "string", "minLength": 1, "description": "command name (Linux shows 15 characters of it), or service name"},
		"nameregex": {"type": "string", "minLength": 1, "description": "pattern of the command name, instead of name"},
		"argregex": {"type": "string", "minLength": 1, "description": "pattern of the command line with its arguments, in addition"},
		"atleast": {"type": "integer", "minimum": -1, "description": "fewer processes are down; -1 for no limit"},
		"atmax": {"type": "integer", "minimum": -1, "description": "more processes are down; -1 for no limit"},
		"service": {"type": "boolean", "description": "name is a service: a systemd unit, a Windows service"}
	}
}`

// proc is a running process.
type proc struct {
	id
	name string // command name as the system shows it
	args func() string
	here func() bool // whether it counts as one of this node's
}

// id tells processes apart, even if a number is used again.
type id struct {
	pid   int
	start uint64
}

// system is what the checker asks of the operating system.
type system interface {
	// processes lists what runs, at most so old.
	processes(ctx context.Context, age time.Duration) ([]proc, error)
	// matches compares a command name with the one asked for.
	matches(shown, asked string) bool
	// service tells in words why a service does not run; empty if it does.
	service(ctx context.Context, name string) (string, error)
	// died is told the end of a process until cancel is called; false if the
	// system cannot.
	died(pid int, call func()) (cancel func(), ok bool)
}

// New makes the checker for this operating system.
func New() sdk.Checker { return &checker{sys: newSystem()} }

type checker struct{ sys system }

func (*checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "process", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "counts processes or asks for a service; knows of a death at once",
		Schema:  json.RawMessage(schema), Platforms: []string{"linux", "windows"},
	}
}

// Check looks once.
func (c *checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	q, err := parse(raw)
	if err != nil {
		return unknown(err)
	}
	r, _ := c.look(ctx, q, 0)
	return r
}

func unknown(err error) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
}

// look asks the system and judges; it answers the processes found as well.
func (c *checker) look(ctx context.Context, q *query, age time.Duration) (sdk.Result, []proc) {
	start := time.Now()
	if q.Service {
		why, err := c.sys.service(ctx, q.Name)
		if err != nil {
			return unknown(fmt.Errorf("ask for service %s: %w", q.Name, err)), nil
		}
		r := sdk.Result{Status: sdk.StatusUp, Took: time.Since(start)}
		if why != "" {
			r.Status, r.Reason = sdk.StatusDown, fmt.Sprintf("service %s not running: %s", q.Name, why)
		}
		return r, nil
	}
	if q.args != nil && !argsKnown {
		return unknown(fmt.Errorf("argregex: the arguments of processes cannot be read on this system; use name")), nil
	}
	all, err := c.sys.processes(ctx, age)
	if err != nil {
		return unknown(fmt.Errorf("list processes: %w", err)), nil
	}
	var found []proc
	for _, p := range all {
		if q.matches(p, c.sys.matches) {
			found = append(found, p)
		}
	}
	r := q.judge(len(found))
	r.Took = time.Since(start)
	return r, found
}
