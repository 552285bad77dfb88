package daemon

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
)

// maxFarms is how many farm modules a cluster can have: all that a node says of them has
// to be in each of its heartbeats.
const maxFarms = heartbeat.MaxDigest / digestSize

// room refuses a module that the heartbeats have no place for.
func (m *member) room(conf *config.Module) error {
	if conf.Mode != core.Farm {
		return nil
	}
	var farms []string
	for _, mod := range m.all() {
		if mod.conf.Mode == core.Farm && mod.conf.Name != conf.Name {
			farms = append(farms, mod.conf.Name)
		}
	}
	return roomFor(conf.Name, farms)
}

// roomFor judges a farm module beside the others.
func roomFor(name string, others []string) error {
	if len(others) >= maxFarms {
		return &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s would be one farm module too many: the servers' heartbeats have room for %d; uninstall one that is not needed, or make a cluster of its own for some", name, maxFarms)}
	}
	for _, o := range others {
		if moduleTag(o) == moduleTag(name) {
			return &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s cannot be told from %s in the servers' heartbeats, by chance: give it another name, with --name", name, o)}
		}
	}
	return nil
}
