package replication

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
)

// BenchmarkFolder measures loads in a folder that two nodes replicate, with all that a daemon
// has for it (TLS, the record of zones, the look for changes past it), beside a plain folder in
// turns. Load, primary and secondary share one process, so that a CPU profile shows them all.
func BenchmarkFolder(b *testing.B) {
	for _, load := range []struct {
		name string
		run  func(b *testing.B, f *os.File)
	}{{"sequential", writesLarge}, {"small", writesSmall}, {"synced", writesSynced}} {
		b.Run(load.name, func(b *testing.B) {
			mirrored, plain := mirroredFolder(b), b.TempDir()
			var ours, natives []time.Duration
			for b.Loop() {
				natives = append(natives, timed(b, plain, load.run))
				ours = append(ours, timed(b, mirrored, load.run))
			}
			b.ReportMetric(float64(middle(ours).Microseconds()), "µs/round")
			b.ReportMetric(middle(natives).Seconds()/middle(ours).Seconds(), "of-plain")
		})
	}
}

// mirroredFolder is a folder of a pair that is complete, connected without the cable of tests.
func mirroredFolder(b *testing.B) string {
	prim, second := newPair(b, 1)
	second.end()
	second.start(func(o *Options) {
		o.Addresses = func() []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort(prim.port.Address().String())}
		}
		o.Epoch = 0
	})
	must(b, prim.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	must(b, second.order(Order{Replica: core.ReplicateSecond}))
	prim.isCopied(generation(1))
	return prim.dirs[0]
}

func timed(b *testing.B, dir string, load func(b *testing.B, f *os.File)) time.Duration {
	f, err := os.OpenFile(dir+"/f", os.O_RDWR|os.O_CREATE, 0o644)
	must(b, err)
	begin := time.Now()
	load(b, f)
	must(b, f.Close())
	return time.Since(begin)
}

func middle(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// writesLarge writes 64 MiB, 1 MiB each, and syncs them.
func writesLarge(b *testing.B, f *os.File) {
	must(b, f.Truncate(0))
	block := make([]byte, 1<<20)
	for range 64 {
		_, err := f.Write(block)
		must(b, err)
	}
	must(b, f.Sync())
}

// writesSmall writes 2000 times 4 KiB within 8 MiB.
func writesSmall(b *testing.B, f *os.File) {
	block := make([]byte, 4096)
	for i := range 2000 {
		_, err := f.WriteAt(block, int64(i*617%2048)*4096)
		must(b, err)
	}
}

// writesSynced writes 100 times 4 KiB, each followed by fdatasync(2).
func writesSynced(b *testing.B, f *os.File) {
	block := make([]byte, 4096)
	for i := range 100 {
		_, err := f.WriteAt(block, int64(i*617%1024)*4096)
		must(b, err)
		must(b, unix.Fdatasync(int(f.Fd())))
	}
}
