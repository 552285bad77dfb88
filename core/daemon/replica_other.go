//go:build !linux

package daemon

import (
	"fmt"
	"runtime"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

// newReplica refuses what would be replicated: file systems are mounted on Linux.
func (mod *module) newReplica(conf *config.Module) (replica, error) {
	if conf.Rfs != nil && mod.pair != nil {
		return nil, fmt.Errorf("replicated folders (<rfs>) need Linux; this node runs %s", runtime.GOOS)
	}
	return nil, nil
}

func (m *member) closeReplication() error { return nil }

type replicationPort struct{}
