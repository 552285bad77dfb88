package control

import (
	"context"
	"net/http"

	"github.com/orchestrator-ha/orchestrator/core"
)

// ResourceRequest publishes a resource, as hooks and custom checkers do.
type ResourceRequest struct {
	Name   string     `json:"name"`             // class.id; only class custom can be set
	Value  core.Value `json:"value"`            // up, down or unknown
	Reason string     `json:"reason,omitempty"` // what was seen
}

// The switches of a module on a node.
const (
	WatchChecks    = "checks"    // all checks but those of processes; on or off
	WatchProcesses = "processes" // on or off
	SwitchBoot     = "boot"      // on, off, or auto: what ran before runs again
	ClassPrefix    = "class."    // before the name of a module's own class of processes; on or off, which is how it begins
)

// SwitchRequest turns a switch, for as long as the module is installed.
type SwitchRequest struct {
	Nodes []string `json:"nodes,omitempty"` // empty: all
	Here  bool     `json:"here,omitempty"`  // this node alone
	Name  string   `json:"name"`
	To    string   `json:"to"`
}

// BareRequest starts or stops the application of a stopped module on this node, without the module.
type BareRequest struct {
	Start bool `json:"start"`
}

// TellRequest is a message of a script for the journal.
type TellRequest struct {
	Level string `json:"level,omitempty"` // info (also if empty), warn or error
	Text  string `json:"text"`
}

// named makes a handler of a call about the module in the path that takes a JSON
// body.
func named[In any](call func(ctx context.Context, by, name string, in In) (Outcome, error)) func(string, *http.Request) (any, error) {
	return func(by string, r *http.Request) (any, error) {
		in, err := body[In](r)
		if err != nil {
			return nil, err
		}
		return call(r.Context(), by, r.PathValue("name"), in)
	}
}
