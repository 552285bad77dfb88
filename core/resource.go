package core

import (
	"strings"
	"time"
)

// Value is what a checker says of a resource.
type Value string

const (
	ResInit    Value = "init"    // no result yet
	ResUp      Value = "up"      //
	ResDown    Value = "down"    //
	ResUnknown Value = "unknown" // nobody can tell now, e.g. the plugin died
)

// RulePrefix begins the names of the resources that tell of failover rules: one
// is down while its rule holds.
const RulePrefix = "rule."

// SyncAt is the resource that is down while a secondary waits for the next time at which
// it is to be synchronised.
const SyncAt = "rfs.syncat"

// trouble tells in words that the resource is down; was is "is" or "was".
func (r Resource) trouble(was string) string {
	if label, ok := strings.CutPrefix(r.Name, RulePrefix); ok {
		return map[string]string{"is": "rule " + label + " holds", "was": "rule " + label + " held"}[was] + because(r.Reason)
	}
	return r.Name + " " + was + " down" + because(r.Reason)
}

// Resource is one observed fact about a module, e.g. tcp.web or proc.nginx.
type Resource struct {
	Name   string    `json:"name"`             // class.id
	Value  Value     `json:"value"`            //
	Reason string    `json:"reason,omitempty"` // in words: what was seen
	Since  time.Time `json:"since,omitzero"`   // when the value last changed
	Cause  int64     `json:"cause,omitempty"`  // journal entry that tells of it; 0 is none
}
