package core

import "time"

// When says during which part of a module's life a check runs.
type When string

const (
	WhenPre    When = "pre"    // after prestart until poststop
	WhenBoth   When = "both"   // while the application runs, on any active node
	WhenPrim   When = "prim"   // while primary or alone
	WhenSecond When = "second" // while secondary
	WhenSec    When = "sec"    // while secondary or alone
)

// Verb is what an operator or a failed check asks of a module.
type Verb string

const (
	VerbStart     Verb = "start"
	VerbStop      Verb = "stop"
	VerbForceStop Verb = "forcestop"
	VerbRestart   Verb = "restart"
	VerbStopStart Verb = "stopstart"
	VerbDrain     Verb = "drain"
	VerbUndrain   Verb = "undrain"
	VerbWait      Verb = "wait"   // stop the application and wait: for a resource, or where somebody asks for it until wakeup
	VerbWakeup    Verb = "wakeup" // go on
	VerbNone      Verb = "noaction"

	VerbPrim        Verb = "prim"         // start as primary: this node's data is the good one
	VerbPrimForce   Verb = "primforce"    // the same, although the data is known to be outdated or partial
	VerbSecond      Verb = "second"       // start as secondary
	VerbSecondForce Verb = "secondforce"  // the same, copying everything
	VerbSwap        Verb = "swap"         // primary and secondary change their roles
	VerbFailoverOn  Verb = "failover-on"  // the secondary takes over by itself
	VerbFailoverOff Verb = "failover-off" // it does not
	VerbIncLoop     Verb = "incloop"      // count an automatic action that somebody else carries out; refused where the limit is reached
	VerbResetLoop   Verb = "resetloop"    // forget what was counted
	VerbUpdate      Verb = "update"       // a new configuration is taken over, or what is watched was switched; hooks see it
	VerbChange      Verb = "change"       // a change of role that the pair came to by itself; nobody asks for it
)

// Check is a resource that a module depends on and what its failure asks for.
type Check struct {
	Resource string `json:"resource"`           // class.id
	When     When   `json:"when"`               //
	Action   Verb   `json:"action"`             // VerbRestart, VerbStopStart, VerbStop, VerbWait (WhenPre only) or VerbNone
	Planned  bool   `json:"planned,omitempty"`  // the action is part of how the module works, and not counted
	Services string `json:"services,omitempty"` // of VerbRestart: which services hooks are to restart, with commas between; empty: all
	Outside  bool   `json:"outside,omitempty"`  // it watches the machine's surroundings: what its failure asks for is not counted
}

// Module is what the state machine needs to know of a module's configuration.
type Module struct {
	Name         string          `json:"name"`
	Version      string          `json:"version,omitempty"` // of the configuration, for those who carry actions out
	Mode         Mode            `json:"mode"`
	MaxLoop      int             `json:"maxloop"`       // automatic actions allowed within LoopInterval; one more stops the module
	LoopInterval time.Duration   `json:"loop_interval"` // 0 switches the limit off
	Hooks        map[string]bool `json:"hooks,omitempty"`
	StartTimeout time.Duration   `json:"start_timeout"` // deadline of start hooks
	NiceTimeout  time.Duration   `json:"nice_timeout"`  // deadline of stop hooks
	ForceTimeout time.Duration   `json:"force_timeout"` // deadline of stop hooks called with force
	LeaveTimeout time.Duration   `json:"leave_timeout"` // how long a planned stop waits for the share to move away; 0 does not wait
	Checks       []Check         `json:"checks,omitempty"`
	Shared       bool            `json:"shared"`           // has a virtual address: network and, in a farm, share actions are asked for
	Closed       bool            `json:"closed,omitempty"` // in a farm: takes no connections after a start before it is undrained, which its own scripts do
	Reboot       bool            `json:"reboot,omitempty"` // an automatic stopstart ends with a restart of the machine
	Mirror       MirrorConfig    `json:"mirror,omitzero"`
}
