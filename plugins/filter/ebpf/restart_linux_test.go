package ebpf

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/vishvananda/netns"
)

// pinned makes the fixture's filter anew, on a BPF file system of its own.
func (fx *fixture) pinned(how string) (dir string) {
	fx.t.Helper()
	check0(fx.t, fx.filter.Remove(context.Background(), "web"))
	check0(fx.t, fx.filter.Close())
	dir = bpffs(fx.t)
	f, err := New(dir, quiet())
	check0(fx.t, err)
	f.order = []string{how}
	fx.filter = f
	fx.t.Cleanup(func() { fx.filter.Close() })
	fx.configure()
	return dir
}

// restart ends the filter's process and takes over what it has pinned, some
// times over, in a thread of its own.
func (fx *fixture) restart(dir string, times int) error {
	runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	if err := netns.Set(fx.space.handle); err != nil {
		return err
	}
	for range times {
		order := fx.filter.order
		if err := fx.filter.Close(); err != nil {
			return err
		}
		f, err := New(dir, quiet())
		if err != nil {
			return err
		}
		f.order = order
		fx.filter = f
		if _, err := f.Configure(context.Background(), fx.config); err != nil {
			return err
		}
	}
	return nil
}

// TestRestartLosesNothing: every frame that arrives while the filter's process
// ends, is away and comes again is judged, exactly once.
func TestRestartLosesNothing(t *testing.T) {
	for _, how := range attachOrder("") {
		t.Run(how, func(t *testing.T) {
			fx := newFixture(t)
			dir := fx.pinned(how)
			fx.set(rowOf(1), true)
			counters, err := bpf.LoadPinnedMap(filepath.Join(fx.filter.pins, filterMapCounters), nil)
			check0(t, err)
			defer counters.Close()
			own := placesOfGroup("http", fx.filter.members["web"].Groups["http"])[0]
			counted := func() (n uint64) {
				var cpus []countsValue
				check0(t, counters.Lookup(own.at, &cpus))
				for _, c := range cpus {
					n += c[slices.Index(reasonNames[:], "accept-owner")]
				}
				return n
			}
			send, frame := sender(t, "other0"), fx.frame("tcp", nil)
			ended := make(chan error, 1)
			go func() { ended <- fx.restart(dir, 5) }()
			var sent uint64
			for err = errors.New("runs"); err != nil; {
				for range 20 {
					send(frame)
				}
				sent += 20
				eventually(t, "every frame is counted", func() bool { return counted() >= sent })
				select {
				case err = <-ended:
					check0(t, err)
				default:
				}
			}
			moved, err := fx.filter.State(context.Background())
			check0(t, err)
			if got := moved.Counters; got["web/accept-owner"] != sent || len(got) != 1 {
				t.Errorf("%d frames were sent, counters %v", sent, got)
			}
			t.Logf("%d frames", sent)
			check0(t, fx.filter.Remove(context.Background(), "web"))
		})
	}
}
