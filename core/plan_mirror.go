package core

import "slices"

// planRole leads from WAIT to a role. The new state is entered first, so that
// the peer learns of it at once and durably a new generation is begun before
// anything is written.
func (m *machine) planRole(to State) []Task {
	plan := []Task{enter(to, Transient), hook(hookTransition, Wait, to)}
	plan = append(plan, m.serve(to)...)
	plan = append(plan, starts(partsOf[to], Wait, to)...)
	plan = append(plan, m.startChecks(to)...)
	return append(plan, m.finish(to)...)
}

// planChange leads from one role to another: what both have goes on running.
// From and to SECOND the data is copied anew.
func (m *machine) planChange(to State) []Task {
	from := m.State
	plan := []Task{enter(from, Transient)}
	if from == to {
		plan = append(plan, m.serve(to)...)
		plan = append(plan, starts(partsOf[to]&^m.running(), from, to)...)
		plan = append(plan, m.startChecks(to)...)
		return append(plan, m.finish(to)...)
	}
	plan = append(plan, m.stopChecks(to)...)
	if from == Prim && to == Alone {
		return append(append(plan, enter(to, Transient)), m.planAlone()...)
	}
	leaving := m.running() &^ partsOf[to]
	if from.Primary() && to == Second {
		plan = append(plan, stopsTwice(leaving, from, to)...)
		if m.Network {
			plan = append(plan, Task{Kind: TaskNetworkDown})
		}
	} else {
		plan = append(plan, stops(leaving, from, to, false)...)
	}
	plan = append(plan, hook(hookTransition, from, to), enter(to, Transient))
	if from.Primary() != to.Primary() {
		plan = append(plan, m.serve(to)...)
	}
	plan = append(plan, starts(partsOf[to]&^partsOf[from], from, to)...)
	plan = append(plan, m.startChecks(to)...)
	return append(plan, m.finish(to)...)
}

// serve brings data and address to where a role needs them.
func (m *machine) serve(to State) []Task {
	if !to.Primary() {
		return []Task{replicate(ReplicateSecond)}
	}
	return []Task{replicate(ReplicatePrim), {Kind: TaskNetworkUp}}
}

// finish ends the way to a role; a secondary is ready when it could take over.
func (m *machine) finish(to State) []Task {
	if to == Second {
		return []Task{{Kind: TaskJoin}, enter(to, Ready)}
	}
	return []Task{enter(to, Ready)}
}

// checksOf says which checks run in a state, beside those that always do.
var checksOf = map[State][]When{
	Up: {WhenBoth}, Alone: {WhenBoth, WhenPrim, WhenSec}, Prim: {WhenBoth, WhenPrim}, Second: {WhenBoth, WhenSecond, WhenSec},
}

// stopChecks stops those that do not belong to a state.
func (m *machine) stopChecks(to State) []Task {
	var plan []Task
	for _, w := range []When{WhenBoth, WhenPrim, WhenSecond, WhenSec} {
		if slices.Contains(m.Checking, w) && !slices.Contains(checksOf[to], w) {
			plan = append(plan, checks(w, false))
		}
	}
	return plan
}

// startChecks starts those that a state has and that do not run when the plan
// comes to them.
func (m *machine) startChecks(to State) []Task {
	var plan []Task
	for _, w := range checksOf[to] {
		plan = append(plan, checks(w, true))
	}
	return plan
}
