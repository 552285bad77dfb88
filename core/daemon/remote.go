package daemon

import (
	"maps"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
)

// The rules of a mirror may look at resources of the other node (remote.tcp.web). Each
// node tells those that the rules speak of, by class, in a note of its own.

// resourceTag is the key of that note.
func resourceTag(module string) uint32 { return moduleTag(module + " resources") }

// remotes tells the other node of resources, and keeps what it told. Of the ruling's
// goroutine.
type remotes struct {
	classes []string // that the rules look at
	tell    func([]byte) error
	heard   func() ([]byte, bool) // what the other node told last, while it is heard
	fail    func(error)
	told    map[string]core.Value
}

// remotes makes what the rules of a module need of the other node; nil if they look at
// nothing there.
func (mod *module) remotes(classes []string) *remotes {
	if mod.conf.Mode != core.Mirror || len(classes) == 0 {
		return nil
	}
	m, key := mod.m, resourceTag(mod.conf.Name)
	peer := mod.runner.Snapshot().Module.Mirror.Peer
	return &remotes{
		classes: classes,
		tell:    func(b []byte) error { return m.heart.SetNote(key, b) },
		heard: func() ([]byte, bool) {
			b, _, ok := m.notes.of(peer, key)
			return b, ok
		},
		fail: func(err error) {
			m.log.Error("tell the other node of resources", "module", mod.conf.Name, "error", err)
		},
	}
}

// publish tells the other node what is new.
func (r *remotes) publish(in core.Instance) {
	if r == nil {
		return
	}
	now := map[string]core.Value{}
	for name, res := range in.Resources {
		if class, _, _ := strings.Cut(name, "."); slices.Contains(r.classes, class) {
			now[name] = res.Value
		}
	}
	if maps.Equal(now, r.told) {
		return
	}
	b, err := pack(now)
	if err == nil && len(b) > heartbeat.MaxNote {
		err = errTooMany
	}
	if err == nil {
		err = r.tell(b)
	}
	if err != nil {
		r.fail(err)
	}
	r.told = now
}

// view are the other node's resources; nil while it is stopped or not heard.
func (r *remotes) view(in core.Instance) map[string]core.Value {
	if r == nil || in.Pair.Link != core.LinkHeard || in.Pair.Peer.State == core.Stop {
		return nil
	}
	b, ok := r.heard()
	if !ok {
		return nil
	}
	var all map[string]core.Value
	if err := unpack(b, &all); err != nil {
		r.fail(err)
		return nil
	}
	return all
}

// watchPaths publishes over which networks of its heartbeat the other node of a mirror is
// heard, as resources heartbeat.IDENT.
func (mod *module) watchPaths(peer core.NodeID, said map[string]core.Value) {
	for ident, value := range mod.paths(peer) {
		if said[ident] == value {
			continue
		}
		said[ident] = value
		mod.runner.Post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: "heartbeat." + ident, Value: value}})
	}
}

func (mod *module) paths(peer core.NodeID) map[string]core.Value {
	idents := map[string]string{}
	for _, n := range mod.config().Heart.Networks {
		if n.Name != "" {
			idents[n.Name] = n.Name
			if n.Ident != "" {
				idents[n.Name] = n.Ident
			}
		}
	}
	now := map[string]core.Value{}
	for _, p := range mod.m.heart.Status() {
		if p.Node != peer {
			continue
		}
		for _, n := range p.Networks {
			ident, ok := idents[n.Network]
			if !ok && len(idents) > 0 {
				continue
			}
			if !ok {
				ident = n.Network
			}
			now[ident] = core.ResDown
			if n.Heard {
				now[ident] = core.ResUp
			}
		}
	}
	return now
}
