package replication

import (
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// The daemon starts programs all the time: a file that it closes while one is being started
// is closed by that one last, and is not taken for changed past the mount.
func TestProgramsAreStarted(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	b.isCopied(generation(1))
	c := &cluster{t: t, nodes: [2]*node{a, b}, acked: map[string]uint64{}}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { c.write(stop, "count") })
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		must(t, exec.Command("true").Run())
	}
	close(stop)
	clients.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.notes {
		if strings.Contains(n, "past its folder") {
			t.Fatal(n)
		}
	}
}
