package fs

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// newLimited is a mount over n files in directories of a hundred, whose kernel may know few.
func newLimited(t testing.TB, n, limit int) *pair {
	t.Helper()
	p := newPairOf(t, Options{Files: limit})
	must(t, p.mount.Stop())
	for i := range n {
		d := fmt.Sprintf("/d%d/e%d", i/10000, i/100)
		if i%100 == 0 {
			must(t, os.MkdirAll(p.a+d, 0o755))
		}
		must(t, os.WriteFile(fmt.Sprintf("%s%s/f%d", p.a, d, i), nil, 0o644))
	}
	must(t, exec.Command("cp", "-a", p.a+"/.", p.b).Run())
	var err error
	p.mount, err = Start(Options{Dir: p.m, Backing: p.a, Files: limit}, p.rec)
	must(t, err)
	return p
}

func descriptors(t testing.TB) int {
	t.Helper()
	f, err := os.Open("/proc/self/fd")
	must(t, err)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	must(t, err)
	return len(names)
}

func TestFilesAreForgotten(t *testing.T) {
	const limit = 200
	for _, way := range []string{"by node", "by name"} {
		t.Run(way, func(t *testing.T) {
			p := newLimited(t, 1500, limit)
			settings := p.mount.server.KernelSettings()
			switch {
			case way == "by name":
				p.mount.pruner.close()
				p.mount.pruner.stop = make(chan struct{})
				p.mount.pruner.ask = askByName(p.mount.server)
				p.mount.pruner.done.Go(p.mount.pruner.run)
			case !settings.SupportsNotify(fuse.NOTIFY_PRUNE):
				t.Skip("the kernel does not know how")
			}
			before := descriptors(t)
			open, err := os.OpenFile(p.m+"/d0/e0/f7", os.O_RDWR, 0)
			must(t, err)
			p.run(`cd d0/e3; find ../.. -type f | xargs stat >/dev/null; test $PWD = $(realpath .); test $(ls | wc -l) = 100`)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for begin := time.Now(); p.mount.fs.table.count() > limit; <-tick.C {
				if time.Since(begin) > 20*time.Second {
					t.Fatalf("the kernel knows %d files", p.mount.fs.table.count())
				}
			}
			if n := descriptors(t) - before; n > limit+50 {
				t.Errorf("%d descriptors", n)
			}
			_, err = open.WriteString("still open")
			must(t, err)
			must(t, open.Close())
			p.run(`cd d0/e3; for i in $(seq 300 399); do echo $i >f$i; done; mv f300 ../e4/; ln f301 ../e5/g; rm f302; chmod 600 f303`)
			p.same()
		})
	}
}

// The memory of a daemon whose kernel has seen many files: FILES=200000 go test -run Memory.
func TestMemoryOfManyFiles(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("FILES"))
	if n == 0 {
		t.Skip("set FILES to a number of files")
	}
	p := newLimited(t, n, 0)
	begin := time.Now()
	p.run(`find . -type f -printf '%s\n' | wc -l`)
	t.Logf("looked through %d files in %s", n, time.Since(begin).Round(time.Millisecond))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("the kernel knows %d files, %d descriptors, %d MiB in use, %d MiB from the system", p.mount.fs.table.count(), descriptors(t), m.HeapInuse>>20, m.Sys>>20)
}

// Where no file can be spared, all are not looked through all the time.
func TestNothingCanBeSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const files = 10
		nodes := &table{ids: map[uint64]*node{}, inodes: map[uint64]*node{}}
		nodes.limitTo(files / 2)
		for id := range uint64(files) {
			n := &node{id: id + 2, inode: id, opens: 1}
			nodes.ids[n.id], nodes.inodes[n.inode] = n, n
			nodes.aged(n)
		}
		looks := 0
		p := &pruner{table: nodes, limit: files / 2, ask: func([]pruned) { looks++ }, stop: make(chan struct{})}
		p.done.Go(p.run)
		time.Sleep(time.Minute) // of the test's clock
		p.close()
		if looks < 30 || looks > 70 {
			t.Errorf("%d looks in a minute", looks)
		}
	})
}
