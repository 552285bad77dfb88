package runner

import "github.com/orchestrator-ha/orchestrator/core"

// letter is an event with, for a command, the place for the verdict.
type letter struct {
	event   core.Event
	verdict chan<- error // has room for one; may be nil
	order   int          // which share order it answers; 0 is none
	timer   int          // which setting of the timer ran out; 0 is none
}
