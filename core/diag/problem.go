package diag

import (
	"slices"
	"strings"
)

// Severity says what follows from a problem.
type Severity string

const (
	Error   Severity = "error"   // the thing is refused
	Warning Severity = "warning" // accepted, but hardly what was meant
	Note    Severity = "note"    // accepted, good to know
)

// Problem is one thing that is wrong at one place.
type Problem struct {
	ID       string    `json:"id"` // stable, area/what, e.g. config/unknown-attribute
	Severity Severity  `json:"severity"`
	Message  string    `json:"message"` // one sentence, lower case, no full stop
	Pos      Position  `json:"position"`
	Source   string    `json:"source,omitempty"` // the line at Pos
	Hint     string    `json:"hint,omitempty"`   // what would be right
	Related  []Related `json:"related,omitempty"`
}

// Related is another place that a problem is about, e.g. a first definition.
type Related struct {
	Message string   `json:"message"`
	Pos     Position `json:"position"`
	Source  string   `json:"source,omitempty"`
}

// Error is the problem on one line.
func (p Problem) Error() string {
	return p.Pos.String() + ": " + string(p.Severity) + ": " + p.Message + " [" + p.ID + "]"
}

// Problems is a collection of problems; it serves as an error too.
type Problems []Problem

// Error is all problems, rendered as Render does without colours.
func (ps Problems) Error() string {
	var b strings.Builder
	ps.Render(&b, Style{})
	return strings.TrimRight(b.String(), "\n")
}

// Err is ps if at least one problem is an error, else nil.
func (ps Problems) Err() error {
	if ps.Refused() {
		return ps
	}
	return nil
}

// Refused says whether at least one problem is an error.
func (ps Problems) Refused() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error })
}

// Sort orders by file, place and id, and drops exact repetitions.
func (ps *Problems) Sort() {
	slices.SortStableFunc(*ps, func(a, b Problem) int {
		switch {
		case a.Pos.before(b.Pos):
			return -1
		case b.Pos.before(a.Pos):
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	*ps = slices.CompactFunc(*ps, func(a, b Problem) bool {
		return a.Pos == b.Pos && a.ID == b.ID && a.Message == b.Message
	})
}
