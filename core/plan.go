package core

import (
	"slices"
	"time"
)

// TaskKind tells the tasks of a plan apart.
type TaskKind string

const (
	TaskHook        TaskKind = "hook"         // call Hook, if the module has it
	TaskNetworkUp   TaskKind = "network-up"   //
	TaskNetworkDown TaskKind = "network-down" //
	TaskNetworkNew  TaskKind = "network-new"  // after a change of the configuration
	TaskShare       TaskKind = "share"        // give the order Share
	TaskChecks      TaskKind = "checks"       // start or stop the checks of When
	TaskGate        TaskKind = "gate"         // go on when no pre check holds the module back
	TaskEnter       TaskKind = "enter"        // change to state To, Phase
	TaskRole        TaskKind = "role"         // mirror: go on when the pair has a role for this node
	TaskJoin        TaskKind = "join"         // mirror: go on when this node has what the primary has, and both know it
	TaskReplicate   TaskKind = "replicate"    // mirror: give the order Replica
)

// Task is one step of a plan.
type Task struct {
	Kind    TaskKind     `json:"kind,omitempty"`
	Hook    string       `json:"hook,omitempty"`
	Force   bool         `json:"force,omitempty"` // of a stop hook
	Share   ShareOrder   `json:"share,omitempty"`
	Replica ReplicaOrder `json:"replica,omitempty"`
	When    When         `json:"when,omitempty"`
	Start   bool         `json:"start,omitempty"` // checks: start them
	From    State        `json:"from,omitempty"`  // hook
	To      State        `json:"to,omitempty"`    // hook, enter
	Phase   Phase        `json:"phase,omitempty"` // enter
}

// Hooks, in the order of SafeKit's.
const (
	hookTransition = "transition"
	hookPrestart   = "prestart"
	hookPoststop   = "poststop"
)

func enter(to State, p Phase) Task { return Task{Kind: TaskEnter, To: to, Phase: p} }
func hook(name string, from, to State) Task {
	return Task{Kind: TaskHook, Hook: name, From: from, To: to}
}
func share(o ShareOrder) Task        { return Task{Kind: TaskShare, Share: o} }
func checks(w When, start bool) Task { return Task{Kind: TaskChecks, When: w, Start: start} }
func replicate(o ReplicaOrder) Task  { return Task{Kind: TaskReplicate, Replica: o} }

// planStart leads from STOP to UP. What a crash may have left is stopped first,
// by the prestart hook or, if the module has none, by the stop hooks.
func (m *machine) planStart() []Task {
	plan := []Task{enter(Wait, Transient), hook(hookTransition, Stop, Wait)}
	if m.Module.Hooks[hookPrestart] {
		plan = append(plan, hook(hookPrestart, Stop, Wait))
	} else {
		plan = append(plan, stops(allParts, Stop, Wait, false)...)
		plan = append(plan, stops(allParts, Stop, Wait, true)...)
	}
	plan = append(plan, checks(WhenPre, true))
	return append(plan, m.planActive()...)
}

// planActive leads from WAIT to an active state: to UP, or to the role that the
// pair finds for this node.
func (m *machine) planActive() []Task {
	if m.mirror() {
		return []Task{{Kind: TaskRole}}
	}
	return m.planUp()
}

// planUp leads from WAIT to UP.
func (m *machine) planUp() []Task {
	plan := []Task{
		{Kind: TaskGate},
		{Kind: TaskNetworkUp},
		enter(Up, Transient),
		hook(hookTransition, Wait, Up),
	}
	plan = append(plan, starts(partsOf[Up], Wait, Up)...)
	return append(plan,
		checks(WhenBoth, true),
		share(ShareOpen),
		enter(Up, Ready))
}

// planRestart calls the application's stop and start hooks in its state; the network
// stays as it is, so that connections survive which the application's restart
// does not break.
func (m *machine) planRestart(o Order) []Task {
	plan := m.planQuiet(o)
	plan = append(plan, stopsTwice(partsOf[m.State], m.State, m.State)...)
	plan = append(plan, starts(partsOf[m.State], m.State, m.State)...)
	if m.mirror() {
		plan = append(plan, m.startChecks(m.State)...)
		return append(plan, m.finish(m.State)...)
	}
	return append(plan,
		checks(WhenBoth, true),
		share(ShareOpen),
		enter(Up, Ready))
}

// planWait stops the application and comes back when the gate opens. The forced
// stop hooks are called here because STOP is not reached.
func (m *machine) planWait(o Order) []Task {
	plan := m.planDown(o)
	if !m.mirror() {
		i := slices.IndexFunc(plan, func(t Task) bool { return t.Kind == TaskNetworkDown })
		if i < 0 {
			i = len(plan)
		}
		plan = slices.Insert(plan, i, stops(partsOf[Up], m.State, Wait, true)...)
	}
	return append(plan, m.planActive()...)
}

// planStop leads to STOP from wherever the module is: what was not started is
// not stopped, but the forced stop hooks are always called.
func (m *machine) planStop(o Order) []Task {
	plan := m.planDown(o)
	plan = append(plan, stops(allParts, Wait, Stop, true)...)
	if slices.Contains(m.Checking, WhenPre) {
		plan = append(plan, checks(WhenPre, false))
	}
	post := hook(hookPoststop, Wait, Stop)
	post.Force = o.Verb == VerbForceStop
	return append(plan, post, hook(hookTransition, Wait, Stop), enter(Stop, NotReady))
}

// planDown leads to WAIT Transient.
func (m *machine) planDown(o Order) []Task {
	plan := m.planQuiet(o)
	if m.Network && o.Drop {
		plan = append(plan, Task{Kind: TaskNetworkDown})
	}
	if o.Nice {
		plan = append(plan, stops(m.running(), m.State, Wait, false)...)
	}
	if m.mirror() && m.State != Wait && (!o.Nice || o.Verb == VerbWait) { // before the peer sees WAIT and takes over
		plan = append(plan, stops(partsOf[m.State]|m.running(), m.State, Wait, true)...)
	}
	if m.Network && !o.Drop {
		plan = append(plan, Task{Kind: TaskNetworkDown})
	}
	if m.Pair.Joined {
		plan = append(plan, replicate(ReplicateStop))
	}
	if m.State != Wait {
		plan = append(plan, hook(hookTransition, m.State, Wait), enter(Wait, Transient))
	}
	return plan
}

// planQuiet takes the node out of the traffic and stops the checks that would
// report the application as down.
func (m *machine) planQuiet(o Order) []Task {
	plan := []Task{enter(m.State, Transient)}
	if m.Share != ShareClosed {
		order := ShareWithdraw
		if o.Leave && m.Module.LeaveTimeout > 0 {
			order = ShareLeave
		}
		plan = append(plan, share(order))
	}
	return append(plan, m.stopChecks(Wait)...)
}

// timeout is the deadline of a hook.
func (m *machine) timeout(t Task) time.Duration {
	switch {
	case t.Force:
		return m.Module.ForceTimeout
	case t.To == Stop || partsOf[t.From] != 0 && t.To == Wait:
		return m.Module.NiceTimeout
	}
	if _, start, ok := hookPart(t.Hook); ok && !start {
		return m.Module.NiceTimeout
	}
	return m.Module.StartTimeout
}
