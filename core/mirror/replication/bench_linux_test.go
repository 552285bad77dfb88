package replication

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
)

// BenchmarkResync measures what a secondary that was away for some seconds (APART, 5) gets of
// what a program changed meanwhile and goes on changing: pages of 4 KiB at random places of
// a file of 256 MiB, some of them synced.
func BenchmarkResync(b *testing.B) {
	for b.Loop() {
		resyncOnce(b)
	}
}

func resyncOnce(b *testing.B) {
	prim, second := newPair(b, 1)
	must(b, prim.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	prim.run(0, "head -c 268435456 /dev/urandom >f; mkdir d; for i in $(seq 200); do echo $i >d/$i; done; sync f")
	must(b, second.order(Order{Replica: core.ReplicateSecond}))
	prim.isCopied(generation(1))
	must(b, second.order(Order{Replica: core.ReplicateStop}))
	prim.goesAlone(2)

	const pages = 256 << 20 / 4096
	var changed [pages]atomic.Bool
	stop := make(chan struct{})
	var load sync.WaitGroup
	for w := range 2 {
		load.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 4))
			fd, err := unix.Open(prim.dirs[0]+"/f", unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Error(err)
				return
			}
			defer unix.Close(fd)
			page := make([]byte, 4096)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				for i := range page {
					page[i] = byte(rng.Uint32())
				}
				at := rng.IntN(pages)
				if _, err := unix.Pwrite(fd, page, int64(at)*4096); err != nil {
					b.Error(err)
					return
				}
				changed[at].Store(true)
				if n%20 == 0 {
					_ = unix.Fdatasync(fd)
				}
			}
		})
	}
	pause(time.Duration(envOr("APART", 5)) * time.Second)
	begin := time.Now()
	must(b, second.order(Order{Replica: core.ReplicateSecond}))
	prim.isCopied(generation(2))
	took := time.Since(begin)
	different := 0
	for i := range changed {
		if changed[i].Load() {
			different++
		}
	}
	close(stop)
	load.Wait()
	settled(b, prim)
	f := prim.r.serves().copying.progress.Figures()
	b.ReportMetric(float64(f.Sent)/float64(different*4096), "copied/changed")
	b.ReportMetric(float64(different*4096)/1e6, "changedMB")
	b.ReportMetric(took.Seconds(), "s/resync")
	same(b, prim, second)
}
