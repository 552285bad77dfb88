package rules

import "slices"

// Remotes are the classes of resources of the other node that the rules look at, sorted;
// nil if they look at none.
func (s Set) Remotes() []string {
	var classes []string
	for _, r := range s.Rules {
		for _, o := range names(r.When) {
			if o.where == remote && !slices.Contains(classes, o.class) {
				classes = append(classes, o.class)
			}
		}
	}
	slices.Sort(classes)
	return classes
}
