package rules

import (
	"fmt"
	"strings"
)

// Explanation is what can be said of one rule at one moment.
type Explanation struct {
	Rule  Rule
	Truth Truth
	Why   string
}

// Explain says of each rule whether it holds and why.
func (s Set) Explain(v View) []Explanation {
	all := make([]Explanation, 0, len(s.Rules))
	for _, r := range s.Rules {
		t, why := r.When.Holds(v)
		all = append(all, Explanation{r, t, why})
	}
	return all
}

// String is the explanation in words.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Rule.Label, e.Truth, e.Why)
	then := "asks for"
	if e.Truth != True {
		then = "would ask for"
	}
	fmt.Fprintf(&b, "\n  if %s\n  %s %s", e.Rule.Text, then, e.Rule.Action)
	if e.Rule.Builtin {
		b.WriteString(" (built in)")
	}
	return b.String()
}
