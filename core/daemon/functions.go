package daemon

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core/share"
)

// functions are the hash functions that a filter of this node can evaluate.
func functions() []string { return functionsOf(runtime.GOOS) }

// functionsOf is the same for a system: the filter of Windows compares bits and
// cannot compute.
func functionsOf(system string) []string {
	if system == "windows" {
		return []string{string(share.LowBits)}
	}
	return []string{string(share.Keyed), string(share.LowBits)}
}

// checkFunction refuses a node whose filter cannot evaluate the cluster's
// function: it would take other clients than those that are its own.
func checkFunction(node string, cluster share.Function, known []string) error {
	if slices.Contains(known, string(cluster)) {
		return nil
	}
	other := share.LowBits
	if cluster == other {
		other = share.Keyed
	}
	return fmt.Errorf("the packet filter of %s cannot evaluate the hash function %q of the cluster: found the cluster with 'orchestrator cluster init --hash %s' to have it in, or leave it out", node, cluster, other)
}
