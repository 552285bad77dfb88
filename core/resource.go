package core

import "time"

// Value is what a checker says of a resource.
type Value string

const (
	ResInit    Value = "init"    // no result yet
	ResUp      Value = "up"      //
	ResDown    Value = "down"    //
	ResUnknown Value = "unknown" // nobody can tell now, e.g. the plugin died
)

// Resource is one observed fact about a module, e.g. tcp.web or proc.nginx.
type Resource struct {
	Name   string    `json:"name"`             // class.id
	Value  Value     `json:"value"`            //
	Reason string    `json:"reason,omitempty"` // in words: what was seen
	Since  time.Time `json:"since,omitzero"`   // when the value last changed
	Cause  int64     `json:"cause,omitempty"`  // journal entry that tells of it; 0 is none
}
