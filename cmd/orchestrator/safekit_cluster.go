package main

import (
	"fmt"
	"os"
	"runtime"
)

// configCluster makes the cluster of a cluster.xml; without one, of that which SafeKit has
// on this machine.
func configCluster(s *safekit, c call) error {
	file, lock := c.arg(0), c.arg(1)
	if file == "lock" || file == "unlock" {
		file, lock = "", file
	}
	if lock != "" {
		fmt.Fprintf(s.stderr, "safekit: cluster config: %s has no meaning here: whoever changes something changes it on all servers, one after the other\n", lock)
	}
	if file == "" {
		file = oldClusterFile(runtime.GOOS)
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("name the file: cluster config FILE; there is no %s", file)
		}
	}
	return s.applyCluster(s.ctx, file)
}

// oldClusterFile is where SafeKit keeps the description of its cluster.
func oldClusterFile(goos string) string {
	if goos == "windows" {
		return `C:\safekit\var\cluster\cluster.xml`
	}
	return "/var/safekit/cluster/cluster.xml"
}
