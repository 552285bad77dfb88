package core

import "time"

// EventKind tells the events of a module apart.
type EventKind string

const (
	EventCommand  EventKind = "command"  // Verb, Identity
	EventHook     EventKind = "hook"     // a hook ended: Name, OK, Reason
	EventNetwork  EventKind = "network"  // NetworkUp or NetworkDown was carried out: OK, Reason
	EventShare    EventKind = "share"    // a share order was carried out: Name is the order, OK, Reason
	EventResource EventKind = "resource" // Resource changed
	EventTimer    EventKind = "timer"    // Name of the timer that ran out
)

// Event is something that happened to a module on this node.
type Event struct {
	At       time.Time // stamped by whoever saw it
	Kind     EventKind
	Name     string
	Verb     Verb
	Identity string // of an automatic command, e.g. "tcp.web"; empty for an operator's
	By       string // who gave an operator's command, e.g. "root"
	OK       bool
	Reason   string
	Resource Resource
	Cause    int64 // journal entry that led to this event; 0 for a first cause
}
