package replication

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// heap is what objects need now.
func heap() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() + s[1].Value.Uint64())
}

// highest watches what the heap needs until it is called; what is no longer used counts
// for a little while.
func highest() func() int64 {
	before := debug.SetGCPercent(10)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	var most int64
	watching.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, heap())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	return func() int64 {
		close(stop)
		watching.Wait()
		debug.SetGCPercent(before)
		return most
	}
}

// manyFiles takes a pair of nodes through the life of a folder with n files: a first copy, a
// look at all, a change of all without the secondary, its return, a comparison. It answers
// what both together needed at most beyond what the test itself does.
func manyFiles(t testing.TB, n int) map[string]int64 {
	a, b := newPair(t, 1)
	a.patience, b.patience = time.Hour, time.Hour
	join := func(g uint64) {
		must(t, b.order(Order{Replica: core.ReplicateSecond}))
		a.isCopied(generation(g))
		b.isCopied(generation(g))
	}
	data := a.dirs[0]
	for i := range n {
		if i%100 == 0 {
			must(t, os.MkdirAll(fmt.Sprintf("%s/%d/%d", data, i/10000, i/100), 0o755))
		}
		must(t, os.WriteFile(fmt.Sprintf("%s/%d/%d/a file with a name %d", data, i/10000, i/100, i), []byte("x"), 0o644))
	}
	runtime.GC()
	base := heap()
	needed := map[string]int64{}
	during := func(what string, do func()) {
		begin, end := time.Now(), highest()
		do()
		needed[what] = end() - base
		t.Logf("%s: %d MiB more, in %s", what, needed[what]>>20, time.Since(begin).Round(time.Millisecond))
	}
	during("start", func() { must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)})) })
	during("copy", func() { join(1) })
	during("look", func() { a.run(0, `find . -type f -size +100 | wc -l`) })
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(2)
	during("change", func() { a.run(0, `find . -name '*7' -exec chmod 600 {} +; for d in */*; do echo y >$d/new; done`) })
	during("return", func() { join(2) })
	during("verify", func() {
		v, err := a.r.Verify(t.Context())
		if err != nil || !v.Complete || v.Different > 0 || v.Files < int64(n) {
			t.Errorf("%+v, %v", v, err)
		}
	})
	return needed
}

// Memory does not follow the number of files: they cost what the kernel knows and what was
// recorded, both bounded. BenchmarkManyFiles has a million.
func TestMemoryOfManyFiles(t *testing.T) {
	const n = 5000
	for what, bytes := range manyFiles(t, n) {
		if limit := int64(32<<20 + n*700); bytes > limit {
			t.Errorf("%s of %d files needed %d bytes, and %d are allowed", what, n, bytes, limit)
		}
	}
}

// BenchmarkManyFiles tells what two nodes in one process need for FILES (a million) files.
func BenchmarkManyFiles(b *testing.B) {
	n := envOr("FILES", 1_000_000)
	for b.Loop() {
		most := int64(0)
		for _, bytes := range manyFiles(b, n) {
			most = max(most, bytes)
		}
		b.ReportMetric(float64(most)/(1<<20), "MiB")
	}
}
