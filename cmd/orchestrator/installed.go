package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/rules"
)

// Folders of a node's directory that hold its modules.
const (
	copyInUse  = "active"
	copyToEdit = "modules"
)

// sourceOf finds the module that a person means by arg: a file or folder, one that is
// installed here, which lies in the folder copied of the node's directory and has the
// values that were set, or a shipped one.
func (a *app) sourceOf(arg, copied string, given map[string]string) (from source, set map[string]string, installed bool, err error) {
	if _, err := os.Stat(arg); err != nil && arg == moduleName(arg) {
		if from, set, ok := a.installedSource(arg, copied); ok {
			maps.Copy(set, given)
			return from, set, true, nil
		}
	}
	from, err = findSource(arg)
	return from, given, false, err
}

func (a *app) installedSource(name, copied string) (source, map[string]string, bool) {
	var list []control.ModuleInfo
	a.ask("/v1/modules", &list)
	at := slices.IndexFunc(list, func(m control.ModuleInfo) bool { return m.Name == name })
	home, err := a.homeDir()
	folder := filepath.Join(home, copied, name)
	if info, wrong := os.Stat(folder); at < 0 || err != nil || wrong != nil || !info.IsDir() {
		return source{}, nil, false
	}
	set := maps.Clone(list[at].Set)
	if set == nil {
		set = map[string]string{}
	}
	return source{name: name, folder: folder}, set, true
}

// viewNow is what is known on this server of a module's resources.
func (a *app) viewNow(name string) rules.View {
	v := rules.View{Cluster: core.ResDown}
	var st control.Status
	a.ask(statusPath(name), &st)
	for _, m := range st.Modules {
		for _, n := range m.Nodes {
			if n.Node != st.Node && n.Reachable {
				v.Cluster = core.ResUp
			}
			for _, r := range n.Resources {
				if n.Node == st.Node {
					v = v.With(r.Name, r.Value)
				} else if m.Mode == core.Mirror {
					v = v.With("remote."+r.Name, r.Value)
				}
			}
		}
	}
	return v
}
