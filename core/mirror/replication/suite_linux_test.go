package replication

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A program that others wrote runs in the folder of a primary with a live secondary: SUITE is
// a script that is run there, for example
//
//	SUITE='prove -r /src/pjdfstest/tests' go test ./core/mirror/replication -run Suite -v -timeout 0
//
// Whatever it answers, the secondary must have followed, and hold the same in the end.
func TestSuite(t *testing.T) {
	script := os.Getenv("SUITE")
	if script == "" {
		t.Skip("SUITE names no script")
	}
	a, b := newPair(t, 1)
	for _, n := range []*node{a, b} { // without a space in their names, which some suites cannot do with
		n.r.Close()
		n.dirs[0] = strings.ReplaceAll(n.dirs[0], " ", "")
		must(t, os.Mkdir(n.dirs[0], 0o755))
		n.start(nil)
	}
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = a.dirs[0], os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("the script: %v", err)
	}
	a.mu.Lock()
	lost := a.told(core.ReplicaLost)
	a.mu.Unlock()
	if lost {
		t.Errorf("the secondary was lost: %v", a.notes)
		a.isCopied(generation(1))
	}
	settled(t, a)
	same(t, a, b)
}
