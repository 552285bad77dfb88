package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
)

// pinDir is where the filter of the node with this home directory pins its
// BPF objects, so that they outlive its process. Two nodes on one machine, as in
// a lab, have two.
func pinDir(home string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(home)))
	return "/sys/fs/bpf/orchestrator-" + hex.EncodeToString(sum[:])[:12]
}

// cleanPins removes what a node's filter has left in the kernel.
func cleanPins(home string) error {
	if _, err := ebpf.Clean(pinDir(home)); err != nil {
		return fmt.Errorf("remove the filter of %s from the kernel: %w", home, err)
	}
	return nil
}
