package core

import "slices"

// loosen judges the pair also while a hook of a primary runs, which else waits until
// nothing is being done. When an equal secondary is lost, replication acknowledges no write
// until it is known who goes on, and a hook may wait for an application that waits for a
// write: both would, until the hook's time is over.
func (m *machine) loosen() {
	if !m.Module.Mirror.Replicated || m.State != Prim || m.Asked.Kind != TaskHook || m.Next.Verb != "" || m.leaving() {
		return
	}
	o := m.primRests()
	switch {
	case o.Verb == VerbStopStart || o.Verb == VerbWait: // as it gives up its role, nothing is held any more
		m.replace(o)
	case o.Verb != VerbChange || o.To != Alone:
	case m.Target == Prim:
		m.goAlone(o)
		at := slices.Index(m.Plan, enter(Prim, Ready))
		if at < 0 {
			at = len(m.Plan) // the hooks of a change of the configuration
		} else {
			m.Plan = slices.Delete(m.Plan, at, at+1)
		}
		m.Plan = slices.Insert(m.Plan, at, m.planAlone()...)
	case m.Target == Second && (m.Network || !m.Module.Shared): // the swap is broken off
		m.goAlone(o)
		m.replace(Order{Verb: VerbRestart, Reason: m.LastReason})
	}
}

// goAlone is a change of PRIM to ALONE at once.
func (m *machine) goAlone(o Order) {
	m.note(o.Reason)
	m.enter(status{Prim, Transient}, m.LastReason, m.cause)
	m.enter(status{Alone, Transient}, m.LastReason, m.cause)
	m.Target = Alone
}

// planAlone is what is left to do of a change from PRIM to ALONE when the state is entered.
// Hooks come after that: they may write.
func (m *machine) planAlone() []Task {
	plan := []Task{hook(hookTransition, Prim, Alone)}
	plan = append(plan, starts(partsOf[Alone]&^partsOf[Prim], Prim, Alone)...)
	plan = append(plan, m.startChecks(Alone)...)
	return append(plan, m.finish(Alone)...)
}
