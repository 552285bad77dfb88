//go:build !linux

package daemon

import "github.com/orchestrator-ha/orchestrator/core/config"

// newReplica has nothing to offer: file systems are mounted on Linux.
func (mod *module) newReplica(*config.Module) (replica, error) { return nil, nil }

func (m *member) closeReplication() error { return nil }

type replicationPort struct{}
