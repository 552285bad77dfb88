package pluginhost

import (
	"fmt"
	"time"
)

// State is where the process of a plugin stands.
type State string

// The states of a plugin's process.
const (
	Idle     State = "idle"     // not needed yet
	Starting State = "starting" //
	Running  State = "running"  //
	Dead     State = "dead"     // pausing before the next start
	Closed   State = "closed"   // the host was closed
)

// Event is something that happened to a plugin's process.
type Event struct {
	At      time.Time
	State   State         // Running: it has started. Dead: it died, or did not start
	Plugins []string      // those that the process serves: checker/tcp
	PID     int           // Running only; for people
	Restart bool          // Running only: not the first start
	Reason  string        // Dead only
	Retry   time.Duration // Dead only: the pause before the next start
}

func (e Event) String() string {
	if e.State == Dead {
		return fmt.Sprintf("plugin %s %s; restarting in %s", list(e.Plugins), e.Reason, span(e.Retry))
	}
	return fmt.Sprintf("plugin %s runs as process %d", list(e.Plugins), e.PID)
}

func list(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

// span writes a duration for people.
func span(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

// unavailable is the error of a call to a plugin that is not running.
type unavailable struct{ text string }

func (e *unavailable) Error() string { return e.text }
func (e *unavailable) Unwrap() error { return ErrUnavailable }
