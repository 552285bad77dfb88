package rules

import (
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A condition of the simple language is a tree of these. Truth has three values
// (Kleene, "Introduction to Metamathematics", 1952): what has no result yet
// decides nothing, but where the rest decides, it does not matter.
type (
	not struct{ of Predicate }
	and struct{ a, b Predicate }
	or  struct{ a, b Predicate }

	// compare is a comparison of a resource, or of cluster(), with a state.
	compare struct {
		of    operand
		equal bool
		state core.Value
	}

	// same compares two conditions.
	same struct {
		a, b  Predicate
		equal bool
	}
)

// operand names what is compared: [local.|remote.]class.id, or cluster().
type operand struct {
	where, class, id string
	cluster          bool
}

func (o operand) String() string {
	switch {
	case o.cluster:
		return "cluster()"
	case o.where == remote:
		return "remote." + o.class + "." + o.id
	}
	return o.class + "." + o.id
}

// Holds answers the opposite.
func (n not) Holds(v View) (Truth, string) {
	t, why := n.of.Holds(v)
	return opposite(t), why
}

func opposite(t Truth) Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	}
	return Undecided
}

// Holds needs both.
func (e and) Holds(v View) (Truth, string) {
	a, why := e.a.Holds(v)
	b, whyB := e.b.Holds(v)
	switch {
	case a == False:
		return False, why
	case b == False:
		return False, whyB
	case a == Undecided:
		return Undecided, why
	case b == Undecided:
		return Undecided, whyB
	}
	return True, why + " and " + whyB
}

// Holds needs one.
func (e or) Holds(v View) (Truth, string) {
	a, why := e.a.Holds(v)
	b, whyB := e.b.Holds(v)
	switch {
	case a == True:
		return True, why
	case b == True:
		return True, whyB
	case a == Undecided:
		return Undecided, why
	case b == Undecided:
		return Undecided, whyB
	}
	return False, why + " and " + whyB
}

// Holds compares truths.
func (e same) Holds(v View) (Truth, string) {
	a, why := e.a.Holds(v)
	b, whyB := e.b.Holds(v)
	if a == Undecided || b == Undecided {
		return Undecided, why + " and " + whyB
	}
	return truth((a == b) == e.equal), why + " and " + whyB
}

// Holds compares states. The id * stands for all of a class, ? for at least
// one. A resource without a result is compared with init only.
func (e compare) Holds(v View) (Truth, string) {
	if e.of.cluster {
		return truth((v.Cluster == e.state) == e.equal), fmt.Sprintf("cluster() is %s", v.Cluster)
	}
	all := v.find(e.of.where, e.of.class, e.of.id)
	if len(all) == 0 {
		return False, fmt.Sprintf("there is no resource %s", e.of)
	}
	any := e.of.id == "?"
	result, decisive := truth(!any), []string{}
	for _, f := range all {
		t := e.one(f)
		switch {
		case t == True && any, t == False && !any:
			return t, f.String()
		case t == Undecided:
			result = Undecided
		}
		decisive = append(decisive, f.String())
	}
	return result, strings.Join(decisive, " and ")
}

func (e compare) one(f found) Truth {
	if f.value == core.ResInit && e.state != core.ResInit {
		return Undecided
	}
	return truth((f.value == e.state) == e.equal)
}

func (f found) String() string {
	if !f.known {
		return f.name + " is not known"
	}
	return fmt.Sprintf("%s is %s", f.name, f.value)
}
