package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// View is what rules look at: resources by class.id.
type View struct {
	Local   map[string]core.Value
	Remote  map[string]core.Value // of the other node of a mirror; nil: it is stopped or not heard
	Cluster core.Value            // down: no other node of the cluster is heard
}

// local and remote are where a name looks.
const (
	local  = "local"
	remote = "remote"
)

// found is a resource that a name stands for.
type found struct {
	name  string
	value core.Value
	known bool
}

// find looks a resource up, or all of a class.
func (v View) find(where, class, id string) []found {
	from, prefix, absent := v.Local, "", core.ResInit
	if where == remote {
		from, prefix, absent = v.Remote, "remote.", core.ResUnknown
	}
	if id != "?" && id != "*" {
		name := class + "." + id
		value, known := from[name]
		if !known {
			value = absent
		}
		return []found{{prefix + name, value, known}}
	}
	var all []found
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if c, _, ok := strings.Cut(name, "."); ok && c == class {
			all = append(all, found{prefix + name, from[name], true})
		}
	}
	return all
}

// With answers the view with one more value: of a resource, of one of the other
// node (remote.class.id), or of the cluster.
func (v View) With(name string, value core.Value) View {
	if name == "cluster" || name == "cluster()" {
		v.Cluster = value
		return v
	}
	if name, ok := strings.CutPrefix(name, remote+"."); ok {
		v.Remote = with(v.Remote, name, value)
	} else {
		v.Local = with(v.Local, strings.TrimPrefix(name, local+"."), value)
	}
	return v
}

func with(all map[string]core.Value, name string, value core.Value) map[string]core.Value {
	all = maps.Clone(all)
	if all == nil {
		all = map[string]core.Value{}
	}
	all[name] = value
	return all
}
