// Package check runs the checks of modules and makes resources of what they
// find.
//
// A check is a stream of results from a checker plugin. A resource follows it
// once enough results in a row agree:
//
//	init ──rise×up──► up        up ──fall×down──► down
//	init ──fall×down─► down     down ──rise×up──► up
//	any ──unknown──► unknown    unknown ──as from init──► up or down
//
// Unknown (the plugin died, the checker cannot tell) is told at once, counts as
// neither, and starts the count anew. A resource that was up before it was
// unknown is up again at the first result that says so.
package check

import (
	"context"
	"encoding/json"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Spec is one check of a module.
type Spec struct {
	Resource string          // class.id: tcp.web
	Plugin   string          // name of the checker: tcp
	Settings json.RawMessage // for the checker
	Interval time.Duration   // from the start of one check to the next; 0 is 10 s
	Timeout  time.Duration   // of one check; 0 is the interval, at most 5 s
	Rise     int             // results in a row that make the resource up; 0 is 1
	Fall     int             // results in a row that make it down; 0 is 1
	Grace    time.Duration   // after the start of the check until it is begun: what it watches is still on its way
}

// withDefaults fills in what was left out.
func (s Spec) withDefaults() Spec {
	if s.Interval <= 0 {
		s.Interval = 10 * time.Second
	}
	if s.Timeout <= 0 {
		s.Timeout = min(s.Interval, 5*time.Second)
	}
	s.Rise, s.Fall = max(s.Rise, 1), max(s.Fall, 1)
	return s
}

// Plugins is what the package needs of the plugin host.
type Plugins interface {
	// Follow reports values (up, down, unknown) and reasons until ctx ends
	// (nil), or fails at once if there is no such checker or it refuses the
	// settings. repeat is how many equal values in a row are reported after a
	// change, at the interval.
	Follow(ctx context.Context, checker string, settings json.RawMessage, interval, timeout time.Duration, repeat int, report func(core.Value, string)) error
}

// Publish is told each time the value of a resource changes. It must put the
// change into a queue and return: it must not call back into this package.
type Publish func(module string, r core.Resource)
