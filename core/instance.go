package core

import (
	"maps"
	"slices"
	"time"
)

// Instance is everything that the state machine knows of a module on this node.
// It is a value: a copy is a snapshot that later steps do not change. It can be
// marshalled to JSON and back between any two steps.
type Instance struct {
	Module Module    `json:"module"`
	State  State     `json:"state"`
	Phase  Phase     `json:"phase"`
	Since  time.Time `json:"since"`  // when State or Phase last changed
	Target State     `json:"target"` // where the running transition leads; State itself when settled
	Wanted State     `json:"wanted"` // Up or Stop: what an operator last asked for; what boot="auto" restores

	Verb       Verb   `json:"verb,omitempty"`        // the running transition; empty when settled
	Services   string `json:"services,omitempty"`    // that a restart is about; empty: all
	LastReason string `json:"last_reason,omitempty"` // why the running or the last transition was begun, and what went wrong in it
	Cause      int64  `json:"cause,omitempty"`       // journal entry of what began it
	BlockedBy  string `json:"blocked_by,omitempty"`  // what WAIT waits for, in words
	Held       string `json:"held,omitempty"`        // who lets the module wait until wakeup, in words; empty: nobody. The host keeps it

	Plan  []Task `json:"plan,omitempty"` // the rest of the running transition
	Asked Task   `json:"asked,omitzero"` // the task whose answer is awaited; at most one
	Next  Order  `json:"next,omitzero"`  // replaces the plan as soon as Asked is answered
	Then  Order  `json:"then,omitzero"`  // begun when STOP is reached

	Drained   bool  `json:"drained"`             // wished by an operator: ready, but no share of the connections
	DrainedBy Order `json:"drained_by,omitzero"` // the wish to drain or undrain that was last

	Share    ShareState `json:"share,omitempty"`    //
	Network  bool       `json:"network"`            // addresses and filter were asked for
	Started  bool       `json:"started"`            // a start hook was called, and no stop hook since
	Checking []When     `json:"checking,omitempty"` // the checks that run

	Resources map[string]Resource `json:"resources,omitempty"`
	Failures  []time.Time         `json:"failures,omitempty"` // automatic actions within Module.LoopInterval

	Pair   Pair    `json:"pair,omitzero"`    // of a mirror
	Update *Module `json:"update,omitempty"` // a new configuration, until it is taken over
	Turned string  `json:"turned,omitempty"` // what was switched, in words, until the hook update is called
}

// ShareState is what was last asked of this node's share of the connections.
type ShareState string

const (
	ShareClosed    ShareState = ""        // takes nothing
	ShareIsOpen    ShareState = "open"    // takes its share
	ShareIsDrained ShareState = "drained" // ready, takes nothing
	ShareLeaving   ShareState = "leaving" // hands over, still ready
)

// Order is a transition to begin.
type Order struct {
	Verb     Verb   `json:"verb,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Cause    int64  `json:"cause,omitempty"`    // journal entry of what asked for it
	To       State  `json:"to,omitempty"`       // VerbChange: the role
	Services string `json:"services,omitempty"` // VerbRestart: see Check
	Outside  bool   `json:"outside,omitempty"`  // see Check
	Reboot   bool   `json:"reboot,omitempty"`   // restart the machine when STOP is reached
	Drop     bool   `json:"drop,omitempty"`     // mirror: remove the address before the stop hooks, because the peer has it or may
	Leave    bool   `json:"leave,omitempty"`    // hand the share over by plan first, instead of withdrawing at once
	Nice     bool   `json:"nice,omitempty"`     // call stop hooks without force first
}

// New returns a module that is stopped, with nothing known of its resources.
func New(m Module) Instance {
	in := Instance{Module: m, State: Stop, Phase: NotReady, Target: Stop, Wanted: Stop}
	in.Resources = make(map[string]Resource, len(m.Checks))
	for _, c := range m.Checks {
		in.Resources[c.Resource] = Resource{Name: c.Resource, Value: ResInit}
	}
	return in
}

// Status is the state as people read it, e.g. "UP Ready".
func (in Instance) Status() string { return status{in.State, in.Phase}.String() }

// Settled reports that no transition runs and nothing is awaited. A module that
// waits for a resource (WAIT NotReady) counts as settled.
func (in Instance) Settled() bool {
	blocked := in.State == Wait && in.Phase == NotReady
	return in.Asked.Kind == "" && in.Next.Verb == "" && in.Then.Verb == "" && (len(in.Plan) == 0 || blocked)
}

// clone returns a copy that shares nothing which a step changes.
func (in Instance) clone() Instance {
	in.Plan = slices.Clone(in.Plan)
	in.Checking = slices.Clone(in.Checking)
	in.Failures = slices.Clone(in.Failures)
	in.Resources = maps.Clone(in.Resources)
	if in.Resources == nil {
		in.Resources = map[string]Resource{}
	}
	return in
}
