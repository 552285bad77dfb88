package fs

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// Each benchmark does the same in a plain directory and in a mount with a secondary
// beside it, in turns within one run, and reports the ratio of the medians (the times'
// for untar): what the machine has to do besides hits both.
//
// The secondary here shares the process, the processors and the disk with the primary,
// which no real pair does.

// compare runs one round in turns, and reports how the mount compares.
func compare(b *testing.B, mode stream.Mode, round func(dir string, n int) time.Duration) {
	b.Helper()
	compareWith(b, newPair(b, mode), round)
}

func compareWith(b *testing.B, p *pair, round func(dir string, n int) time.Duration) {
	b.Helper()
	plain := b.TempDir()
	var natives, mirrors []time.Duration
	for n := 0; b.Loop(); n++ {
		natives = append(natives, round(plain, n))
		mirrors = append(mirrors, round(p.m, n))
	}
	native, mirrored := median(natives), median(mirrors)
	b.ReportMetric(float64(mirrored.Microseconds()), "µs/round")
	b.ReportMetric(native.Seconds()/mirrored.Seconds(), "of-native")
	b.ReportMetric(mirrored.Seconds()/native.Seconds(), "×time")
}

// median is what a round takes when nothing else happens on the machine.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// timed opens f in dir, lets do use it, and answers how long that took.
func timed(b *testing.B, dir string, flags int, do func(f *os.File)) time.Duration {
	b.Helper()
	f, err := os.OpenFile(dir+"/f", os.O_RDWR|os.O_CREATE|flags, 0o644)
	check(b, err)
	begin := time.Now()
	do(f)
	check(b, f.Close())
	return time.Since(begin)
}

// A round is 100 writes of 4 KiB, each followed by fdatasync(2).
func BenchmarkSyncedWrites(b *testing.B) {
	for _, mode := range []stream.Mode{stream.ModeFsync, stream.ModeMemory} {
		b.Run(mode.String(), func(b *testing.B) {
			block := make([]byte, 4096)
			compare(b, mode, func(dir string, n int) time.Duration {
				return timed(b, dir, 0, func(f *os.File) {
					for i := range 100 {
						_, err := f.WriteAt(block, int64((n*100+i)%4096)*4096)
						check(b, err)
						check(b, unix.Fdatasync(int(f.Fd())))
					}
				})
			})
		})
	}
}

// throughAndBack runs a benchmark with write-through and with write-back.
func throughAndBack(b *testing.B, round func(b *testing.B, dir string) time.Duration) {
	for name, writeBack := range map[string]bool{"write-through": false, "write-back": true} {
		b.Run(name, func(b *testing.B) {
			compareWith(b, newPairOf(b, Options{WriteBack: writeBack}), func(dir string, _ int) time.Duration { return round(b, dir) })
		})
	}
}

// A round is 64 MiB in writes of 1 MiB, then fsync(2).
func BenchmarkSequentialWrites(b *testing.B) {
	block := make([]byte, 1<<20)
	throughAndBack(b, func(b *testing.B, dir string) time.Duration {
		return timed(b, dir, os.O_TRUNC, func(f *os.File) {
			for range 64 {
				_, err := f.Write(block)
				check(b, err)
			}
			check(b, f.Sync())
		})
	})
}

// A round is 2000 writes of 4 KiB within 8 MiB, without a sync; the close(2) counts.
func BenchmarkSmallWrites(b *testing.B) {
	block := make([]byte, 4096)
	throughAndBack(b, func(b *testing.B, dir string) time.Duration {
		return timed(b, dir, 0, func(f *os.File) {
			for i := range 2000 {
				_, err := f.WriteAt(block, int64(i*617%2048)*4096)
				check(b, err)
			}
		})
	})
}

// A round is 2000 reads of 4 KiB of a file that is in the page cache.
func BenchmarkHotReads(b *testing.B) {
	block := make([]byte, 4096)
	compare(b, stream.ModeFsync, func(dir string, n int) time.Duration {
		if n == 0 {
			check(b, os.WriteFile(dir+"/f", make([]byte, 8<<20), 0o644))
		}
		return timed(b, dir, 0, func(f *os.File) {
			for i := range 2000 {
				_, err := f.ReadAt(block, int64(i*617%2048)*4096)
				check(b, err)
			}
		})
	})
}

// A round unpacks 1000 files of 4 KiB and removes them.
func BenchmarkUntar(b *testing.B) {
	source := b.TempDir()
	for i := range 1000 {
		d := fmt.Sprintf("%s/t/d%d", source, i/20)
		check(b, os.MkdirAll(d, 0o755))
		check(b, os.WriteFile(fmt.Sprintf("%s/f%d", d, i), make([]byte, 4096), 0o644))
	}
	check(b, exec.Command("tar", "cf", source+"/t.tar", "-C", source, "t").Run())
	compare(b, stream.ModeFsync, func(dir string, _ int) time.Duration {
		begin := time.Now()
		check(b, exec.Command("tar", "xf", source+"/t.tar", "-C", dir).Run())
		took := time.Since(begin)
		check(b, os.RemoveAll(dir+"/t"))
		return took
	})
}
