package config

import (
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Checker looks at one thing again and again, and publishes what it found.
type Checker struct {
	Class    string // of the resource
	Ident    string
	Plugin   string         // the plugin that looks
	Settings map[string]any // of the plugin, as JSON takes them; a File is one of the module
	Program  bool           // the plugin runs a program of the module: it gets the environment of hooks
	Interval time.Duration  // from one look to the next
	Timeout  time.Duration  // of one look; 0: as the interval allows
	Fall     int            // failures in a row that mean down; 0 is 1
	When     core.When
	Action   core.Verb
	Outside  bool // core.Check tells what it means
	Pos      diag.Position
}

// File is a file of the module, in the settings of a checker: its path in the module,
// with slashes.
type File string

// Resource is the name of the resource that the checker publishes.
func (c Checker) Resource() string { return c.Class + "." + c.Ident }

// Files are the files of the module that the checker uses.
func (c Checker) Files() []File {
	var out []File
	for _, v := range c.Settings {
		if f, ok := v.(File); ok {
			out = append(out, f)
		}
	}
	return out
}

// SplitBrain asks witnesses whether a node that lost its peer may go on.
type SplitBrain struct {
	Action    core.Verb
	Witnesses []Checker
}

// ReplicaDisk is the resource that is down when nothing can be recorded, and so written,
// in the primary's replicated folders any more.
const ReplicaDisk = "rfs.disk"

// WitnessReached is the resource that tells of all witnesses together.
const WitnessReached = "splitbrain.uptodate"

// Resources are the names of the resources that the witnesses publish.
func (s SplitBrain) Resources() []string {
	var out []string
	for _, w := range s.Witnesses {
		out = append(out, w.Resource())
	}
	return out
}

// Witnesses are those of a mirror that has some.
func (m *Module) Witnesses() []Checker {
	if m.SplitBrain == nil {
		return nil
	}
	return m.SplitBrain.Witnesses
}

// Proc is a process or service that must run.
type Proc struct {
	Name      string // the resource is proc.Name
	Service   bool   // a systemd unit or Windows service
	NameRegex string // instead of Name, if not empty
	ArgRegex  string
	AtLeast   int // -1: no limit
	AtMost    int // -1: no limit
	When      core.When
	Class     string // of the module's own: a hook says when it runs; When is empty
	Action    core.Verb
	Handler   string        // program in bin/ that is run instead of Action
	Services  []string      // that a restart is about
	Poll      time.Duration // the longest time between two looks at the process list
	Grace     time.Duration // after the start, before the first judgement
	Pos       diag.Position
}

// Resource is the name of the resource that the watch publishes.
func (c Proc) Resource() string { return "proc." + c.Name }

// Checks are all checkers and watches, as the state machine knows them. What the
// silence of witnesses means it knows by itself.
func (m *Module) Checks() []core.Check {
	var all []core.Check
	for _, c := range slices.Concat(m.Checkers, m.Witnesses()) {
		all = append(all, core.Check{Resource: c.Resource(), When: c.When, Action: c.Action, Outside: c.Outside})
	}
	if m.Rfs != nil {
		all = append(all, core.Check{Resource: ReplicaDisk, When: core.WhenPrim, Action: core.VerbStopStart})
	}
	if m.Rfs != nil && !m.Rfs.SyncAt.Never() {
		all = append(all, core.Check{Resource: core.SyncAt, When: core.WhenPre, Action: core.VerbWait, Planned: true})
	}
	for _, c := range m.Procs {
		all = append(all, core.Check{Resource: c.Resource(), When: c.When, Action: c.Action, Services: strings.Join(c.Services, ", ")})
	}
	return all
}
