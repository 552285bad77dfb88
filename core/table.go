package core

import "fmt"

/*
A farm or light module on one node. Arrows are what an instance may enter; all
else is an error.

	┌───────────────┐  start   ┌────────────────┐  a pre check is down  ┌───────────────┐
	│ STOP NotReady │─────────▶│ WAIT Transient │──────────────────────▶│ WAIT NotReady │
	│               │◀─────────│                │◀──────────────────────│               │
	└───────────────┘  stopped └────────────────┘  wakeup, stop         └───────────────┘
	                             │            ▲
	   pre checks up, network up │            │ stopped, start failed,
	                             ▼            │ or a pre check went down
	                           ┌────────────────┐
	                           │  UP Transient  │
	                           └────────────────┘
	   application started, its  │            ▲
	   checks run, share open    ▼            │ stop, restart, stopstart, wait
	                           ┌────────────────┐
	                           │    UP Ready    │  drain and undrain stay here
	                           └────────────────┘

In a Transient phase a plan of tasks is carried out one by one. A command that
comes meanwhile is merged with what goes on, queued until STOP is reached, or
takes the place of the plan as soon as the running task has answered; see
commands below.
*/
var transitions = map[status][]status{
	{Stop, NotReady}:  {{Wait, Transient}},
	{Wait, Transient}: {{Wait, NotReady}, {Up, Transient}, {Alone, Transient}, {Prim, Transient}, {Second, Transient}, {Stop, NotReady}},
	{Wait, NotReady}:  {{Wait, Transient}},
	{Up, Transient}:   {{Up, Ready}, {Wait, Transient}},
	{Up, Ready}:       {{Up, Transient}},

	{Alone, Transient}:  {{Alone, Ready}, {Prim, Transient}, {Wait, Transient}},
	{Alone, Ready}:      {{Alone, Transient}},
	{Prim, Transient}:   {{Prim, Ready}, {Alone, Transient}, {Second, Transient}, {Wait, Transient}},
	{Prim, Ready}:       {{Prim, Transient}},
	{Second, Transient}: {{Second, Ready}, {Alone, Transient}, {Prim, Transient}, {Wait, Transient}},
	{Second, Ready}:     {{Second, Transient}},
}

// status is a state with its phase.
type status struct {
	State State
	Phase Phase
}

func (s status) String() string { return fmt.Sprintf("%s %s", s.State, s.Phase) }

// activity is what a module does when a command comes.
type activity string

const (
	stopped    activity = "stopped"
	starting   activity = "starting"   // also: waiting for a resource
	running    activity = "running"    // also: draining
	restarting activity = "restarting" //
	stopping   activity = "stopping"
	forcing    activity = "stopping by force"
	cycling    activity = "stopping, to start again"
	queued     activity = "stopping, with a start that waits"
)

// reply is what a command does in an activity.
type reply struct {
	how how
	why string // of a refusal, after the module's name
}

type how int

const (
	refuse how = iota
	begin      // take the place of the plan, if there is one
	merge      // what is asked for happens already
	queue      // start when STOP is reached
	forget     // do not start when STOP is reached
	mark       // note the wish; put into effect when settled
	swap       // change roles with the peer
)

var (
	alreadyStop = reply{refuse, "is already STOP on this node"}
	alreadyUp   = reply{refuse, "is already UP on this node"}
	notStarted  = reply{refuse, "is STOP on this node: start it first"}
	isStarting  = reply{refuse, "is starting on this node: wait until it is UP, or stop it"}
	isStopping  = reply{refuse, "is stopping on this node: start it again instead"}
)

// commands has a row for each activity; the columns are what an operator or a
// failed check may ask for.
var commands = map[activity]map[Verb]reply{
	stopped: {
		VerbStart: {how: begin}, VerbStop: alreadyStop, VerbForceStop: alreadyStop,
		VerbRestart: notStarted, VerbStopStart: notStarted, VerbWait: notStarted,
		VerbDrain: notStarted, VerbUndrain: notStarted,
	},
	starting: {
		VerbStart: {how: merge}, VerbStop: {how: begin}, VerbForceStop: {how: begin},
		VerbRestart: isStarting, VerbStopStart: isStarting, VerbWait: {how: begin},
		VerbDrain: {how: mark}, VerbUndrain: {how: mark},
	},
	running: {
		VerbStart: alreadyUp, VerbStop: {how: begin}, VerbForceStop: {how: begin},
		VerbRestart: {how: begin}, VerbStopStart: {how: begin}, VerbWait: {how: begin},
		VerbDrain: {how: mark}, VerbUndrain: {how: mark},
	},
	restarting: {
		VerbStart: {how: merge}, VerbStop: {how: begin}, VerbForceStop: {how: begin},
		VerbRestart: {how: merge}, VerbStopStart: {how: begin}, VerbWait: {how: begin},
		VerbDrain: {how: mark}, VerbUndrain: {how: mark},
	},
	stopping: {
		VerbStart: {how: queue}, VerbStop: {how: merge}, VerbForceStop: {how: begin},
		VerbRestart: isStopping, VerbStopStart: {how: queue}, VerbWait: isStopping,
		VerbDrain: isStopping, VerbUndrain: isStopping,
	},
	forcing: {
		VerbStart: {how: queue}, VerbStop: {how: merge}, VerbForceStop: {how: merge},
		VerbRestart: isStopping, VerbStopStart: {how: queue}, VerbWait: isStopping,
		VerbDrain: isStopping, VerbUndrain: isStopping,
	},
	cycling: {
		VerbStart: {how: merge}, VerbStop: {how: begin}, VerbForceStop: {how: begin},
		VerbRestart: {how: merge}, VerbStopStart: {how: merge}, VerbWait: {how: merge},
		VerbDrain: {how: mark}, VerbUndrain: {how: mark},
	},
	queued: {
		VerbStart: {how: merge}, VerbStop: {how: forget}, VerbForceStop: {how: begin},
		VerbRestart: isStopping, VerbStopStart: {how: merge}, VerbWait: {how: merge},
		VerbDrain: {how: mark}, VerbUndrain: {how: mark},
	},
}

// reply looks up what a command does now.
func (in Instance) reply(v Verb) (reply, bool) {
	table := commands
	if in.mirror() {
		table = mirrorCommands
	}
	r, ok := table[in.activity()][v]
	return r, ok
}

// activity derives the row of commands from what goes on or is about to.
func (in Instance) activity() activity {
	verb := in.Verb
	if in.Next.Verb != "" {
		verb = in.Next.Verb
	}
	switch verb {
	case VerbStart, VerbPrim, VerbPrimForce, VerbSecond, VerbSecondForce:
		return starting
	case VerbChange, VerbSwap:
		return changing
	case VerbStopStart:
		if in.Then.Verb == "" && in.Next.Verb == "" {
			return starting // the second half
		}
		return cycling
	case VerbRestart:
		return restarting
	case VerbWait:
		if in.State == Wait && in.Next.Verb == "" {
			return starting // it has stopped, and waits
		}
		return cycling
	case VerbStop, VerbForceStop:
		if in.Then.Verb != "" {
			return queued
		}
		if verb == VerbForceStop {
			return forcing
		}
		return stopping
	}
	if in.State == Stop {
		return stopped
	}
	return running
}

// Refusal is the error of a command that makes no sense now; its text is for
// the operator.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

// Already is the refusal of what is so already, as a start of what is up. Whoever asks it of
// one node is mistaken; whoever asks it of all has what was asked for.
type Already struct{ Refusal }

// Unwrap answers the refusal.
func (a *Already) Unwrap() error { return &a.Refusal }

// NotStarted is the refusal of what only a module that was started can do, or one that is
// held back. Asked of one node it is a mistake; of all, it is about those where it was.
type NotStarted struct{ Refusal }

// Unwrap answers the refusal.
func (n *NotStarted) Unwrap() error { return &n.Refusal }

// Impossible is the error of an event or a transition that is not in the table.
type Impossible struct {
	Module string
	State  string // what the module was in, e.g. "UP Ready"
	What   string // the event, or the state that was to be entered
}

func (e *Impossible) Error() string {
	return fmt.Sprintf("%s is %s: %s is not possible there", e.Module, e.State, e.What)
}
