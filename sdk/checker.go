package sdk

import (
	"context"
	"encoding/json"
	"time"
)

// Status is what a check found.
type Status string

// What a check can find.
const (
	StatusUp      Status = "up"
	StatusDown    Status = "down"
	StatusUnknown Status = "unknown" // the checker cannot tell
)

// Result is the outcome of one check. Reason is for people and is never empty
// unless Status is StatusUp. A reason is the same each time the same is found:
// what varies from check to check (a time, a count) belongs in Detail.
type Result struct {
	Status Status
	Reason string
	Detail string
	Took   time.Duration
}

// Checker looks at one thing each time Check is called. The SDK calls it at the
// interval that the host asks for and streams the results.
type Checker interface {
	Describe() Description
	// Check must return before ctx ends. settings has been validated against
	// the schema.
	Check(ctx context.Context, settings json.RawMessage) Result
}

// Watcher is a Checker that learns of changes by itself (an event, not a
// poll). Watch reports until ctx ends. report may be called from any goroutine
// and must not be called after Watch has returned.
type Watcher interface {
	Checker
	Watch(ctx context.Context, settings json.RawMessage, interval time.Duration, report func(Result)) error
}

// WatchOptions says what to watch and how often.
type WatchOptions struct {
	Settings json.RawMessage
	Interval time.Duration // from the start of one check to the next; must be positive
	Timeout  time.Duration // of one check; 0 means Interval

	// Repeat is how many equal results in a row are sent after a change, at
	// the interval, before they are thinned to one in KeepAlive: as many as
	// whoever counts them needs to be sure. 0 means 1.
	Repeat int
}

// KeepAlive is the least time between two results that say the same.
const KeepAlive = 10 * time.Second
