package replication

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// shape says where the file with a number lies.
type shape func(n int) string

var shapes = map[string]shape{"tree": tree100, "flat": flat, "half": func(n int) string {
	if n%2 == 0 {
		return flat(n)
	}
	return tree100(n)
}}

func flat(n int) string { return fmt.Sprintf("a file with a name %d", n) }

func tree100(n int) string { return fmt.Sprintf("%d/%d/%s", n/10000, n/100, flat(n)) }

// highest answers what the process had in memory at most, and for itself, since it was called.
func highest(t testing.TB) func() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	must(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // VmHWM begins anew
	return func() int64 { return memory(t, "VmHWM") - memory(t, "RssFile") }
}

// memory is a line of proc_pid_status(5), in bytes.
func memory(t testing.TB, name string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			must(t, err)
			return n << 10
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// manyFiles takes a pair of nodes through the life of a folder with n files: a first copy, a
// look, a change of many without the secondary, its return, comparisons. It answers
// what both together needed at most, in bytes, and in the end when nothing happens.
func manyFiles(t testing.TB, n int, place shape, part int) map[string]int64 {
	a, b := newPair(t, 1)
	for _, node := range []*node{a, b} {
		node.r.Close()
		node.start(func(o *Options) { o.PartSize = part })
		node.patience = time.Hour
	}
	join := func(o Order, g uint64) {
		a.forget()
		b.forget()
		must(t, b.order(o))
		a.isCopied(generation(g))
		b.isCopied(generation(g))
	}
	data, made := a.dirs[0], ""
	for i := range n {
		at := data + "/" + place(i)
		if dir := at[:strings.LastIndexByte(at, '/')]; dir != made {
			must(t, os.MkdirAll(dir, 0o755))
			made = dir
		}
		must(t, os.WriteFile(at, []byte("x")[:min(1, i%8)], 0o644)) // some are empty
	}
	before := highest(t)()
	needed := map[string]int64{}
	during := func(what string, do func()) {
		begin, most := time.Now(), highest(t)
		do()
		needed[what] = most() - before
		t.Logf("%s: %d MiB, in %s", what, needed[what]>>20, time.Since(begin).Round(time.Millisecond))
	}
	during("start", func() { must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)})) })
	during("copy", func() { join(Order{Replica: core.ReplicateSecond}, 1) })
	during("look", func() { // at the names of all, and at more files than the kernel may know
		a.run(0, `ls -fR | wc -l; find . -type f -size -100 -printf x | head -c 200000 | wc -c`)
	})
	during("verify", func() {
		v, err := a.r.Verify(t.Context())
		if err != nil || !v.Complete || v.Different > 0 || v.Files < int64(n) {
			t.Errorf("%+v, %v", v, err)
		}
	})
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(2)
	during("change", func() { a.changesMany(n, place) })
	during("return", func() { join(Order{Replica: core.ReplicateSecond}, 2) })
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	a.goesAlone(3)
	during("full comparison", func() { join(Order{Replica: core.ReplicateSecond, Full: true}, 3) })
	settled(t, a)
	during("rest", func() {})
	return needed
}

// changesMany makes a file in each directory, and records of the others that they were changed, of as
// many as are told apart.
func (n *node) changesMany(count int, place shape) {
	made := 0
	for i := 0; i < count; i += 100 {
		at := n.dirs[0] + "/" + place(i+1)
		must(n.t, os.WriteFile(at[:strings.LastIndexByte(at, '/')]+"/new", []byte("new"), 0o644))
		made += 3 // names of the directory, attributes and content of the file
	}
	var list []zones.Zone
	for i := range min(count, zones.MaxZones-made) {
		var st unix.Stat_t
		must(n.t, unix.Lstat(n.dirs[0]+"_behind/data/"+place(i), &st))
		list = append(list, zones.Zone{Inode: st.Ino, Index: zones.Names})
	}
	for part := range slices.Chunk(list, 10_000) {
		must(n.t, n.r.serves().copies.logs[0].MarkZonesDirty(part...))
	}
	if r := n.r.serves().copies.logs[0].Recorded(); r.Everything || len(r.Dirty) < len(list) {
		n.t.Errorf("%d are recorded, everything: %v", len(r.Dirty), r.Everything)
	}
}

// Memory does not follow the number of files: they cost what the kernel knows and what was
// recorded, both bounded. BenchmarkManyFiles has a million.
func TestMemoryOfManyFiles(t *testing.T) {
	const n = 4000
	for what, bytes := range manyFiles(t, n, shapes["half"], 500) {
		if limit := int64(64<<20 + n*700); bytes > limit {
			t.Errorf("%s of %d files needed %d bytes, and %d are allowed", what, n, bytes, limit)
		}
	}
}

// BenchmarkManyFiles tells what two nodes in one process need for FILES (a million) files: all in
// one folder, in a tree, or half of them each.
func BenchmarkManyFiles(b *testing.B) {
	n := envOr("FILES", 1_000_000)
	for name, place := range shapes {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				most := int64(0)
				for what, bytes := range manyFiles(b, n, place, 0) {
					b.ReportMetric(float64(bytes)/(1<<20), strings.ReplaceAll(what, " ", "-")+"-MiB")
					most = max(most, bytes)
				}
				b.ReportMetric(float64(most)/(1<<20), "MiB")
			}
		})
	}
}
