package core

import (
	"fmt"
	"slices"
	"strings"
)

// Parts are pieces of an application, each with a start and a stop hook, that
// are called according to the state. start_both belongs to every active state.
type Parts uint8

const (
	PartBoth   Parts = 1 << iota // any active state
	PartPrim                     // UP, ALONE and PRIM
	PartSecond                   // SECOND
	PartSec                      // UP, ALONE and SECOND
	allParts   = PartBoth | PartPrim | PartSecond | PartSec
)

// startOrder is the order in which parts are started; they are stopped in the
// reverse order.
var startOrder = []Parts{PartBoth, PartSecond, PartPrim, PartSec}

var partNames = map[Parts]string{PartBoth: "both", PartPrim: "prim", PartSecond: "second", PartSec: "sec"}

// partsOf says which parts run in a state.
var partsOf = map[State]Parts{
	Up: PartBoth | PartPrim | PartSec, Alone: PartBoth | PartPrim | PartSec, Prim: PartBoth | PartPrim, Second: PartBoth | PartSecond | PartSec,
}

func (p Parts) has(part Parts) bool { return p&part != 0 }

func (p Parts) String() string {
	var names []string
	for _, part := range startOrder {
		if p.has(part) {
			names = append(names, partNames[part])
		}
	}
	return strings.Join(names, " ")
}

// MarshalText writes the names of the parts.
func (p Parts) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the names of parts.
func (p *Parts) UnmarshalText(b []byte) error {
	*p = 0
	for _, name := range strings.Fields(string(b)) {
		part, ok := partNamed(name)
		if !ok {
			return fmt.Errorf("unknown part %q", name)
		}
		*p |= part
	}
	return nil
}

func partNamed(name string) (Parts, bool) {
	for part, n := range partNames {
		if n == name {
			return part, true
		}
	}
	return 0, false
}

// hookPart answers which part a hook starts or stops.
func hookPart(hook string) (part Parts, start, ok bool) {
	if name, found := strings.CutPrefix(hook, "start_"); found {
		part, ok = partNamed(name)
		return part, true, ok
	}
	name, found := strings.CutPrefix(hook, "stop_")
	if !found {
		return 0, false, false
	}
	part, ok = partNamed(name)
	return part, false, ok
}

// running are the parts whose start hook was called and whose stop hook was
// not since.
func (in Instance) running() Parts {
	p := in.Pair.Parts
	if in.Started {
		p |= PartBoth
	}
	return p
}

// has reports that a part has hooks.
func (m Module) has(part Parts) bool {
	return m.Hooks["start_"+partNames[part]] || m.Hooks["stop_"+partNames[part]]
}

func (m *machine) setRunning(part Parts, on bool) {
	switch {
	case part == PartBoth:
		m.Started = on
	case on:
		m.Pair.Parts |= part
	default:
		m.Pair.Parts &^= part
	}
}

func starts(parts Parts, from, to State) []Task {
	var plan []Task
	for _, part := range startOrder {
		if parts.has(part) {
			plan = append(plan, hook("start_"+partNames[part], from, to))
		}
	}
	return plan
}

func stops(parts Parts, from, to State, forced bool) []Task {
	var plan []Task
	for _, part := range slices.Backward(startOrder) {
		if parts.has(part) {
			t := hook("stop_"+partNames[part], from, to)
			t.Force = forced
			plan = append(plan, t)
		}
	}
	return plan
}

// stopsTwice calls each stop hook, and again with force.
func stopsTwice(parts Parts, from, to State) []Task {
	var plan []Task
	for _, part := range slices.Backward(startOrder) {
		plan = append(plan, stops(parts&part, from, to, false)...)
		plan = append(plan, stops(parts&part, from, to, true)...)
	}
	return plan
}
