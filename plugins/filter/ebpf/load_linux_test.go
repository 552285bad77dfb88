package ebpf

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bpf "github.com/cilium/ebpf"
)

// verdictsHeld are the forms of the verdict that this process holds in the kernel.
func verdictsHeld(t testing.TB) []string {
	t.Helper()
	found := []string{}
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	check0(t, err)
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may be closed by now
		for line := range strings.Lines(string(text)) {
			number, ok := strings.CutPrefix(line, "prog_id:")
			if !ok {
				continue
			}
			id, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
			check0(t, err)
			p, err := bpf.NewProgramFromID(bpf.ProgramID(id))
			check0(t, err)
			info, err := p.Info()
			check0(t, err)
			check0(t, p.Close())
			if info.Name == filterProgFilterXdp || info.Name == filterProgFilterIn {
				found = append(found, info.Name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (fx *fixture) holds(when string, want ...string) {
	fx.t.Helper()
	if got := verdictsHeld(fx.t); !slices.Equal(got, want) {
		fx.t.Errorf("%s: %v are loaded, want %v", when, got, want)
	}
}

// TestLoadsWhatIsNeeded: of the two forms of the verdict only those are loaded that
// an interface needs.
func TestLoadsWhatIsNeeded(t *testing.T) {
	const xdp, tcx = filterProgFilterXdp, filterProgFilterIn
	fx := newFixture(t)
	fx.holds("on an interface with native XDP", xdp)
	check0(t, fx.filter.Close())
	fx.holds("closed")

	var err error
	fx.filter, err = New("", quiet())
	check0(t, err)
	fx.filter.order = attachOrder("")
	fx.holds("without an interface")
	foreign, err := AttachPass(fx.ifindex)
	check0(t, err)
	fx.configure()
	fx.holds("beside somebody else's XDP program", tcx)

	check0(t, fx.filter.Remove(context.Background(), "web"))
	check0(t, foreign.Close())
	fx.configure()
	fx.holds("when that has gone", tcx, xdp)
	if a := fx.attachment(); a.How != howNative {
		t.Errorf("attached as %+v", a)
	}
	check0(t, fx.filter.Close())
	fx.holds("closed again")
}

// TestTakesOverWhatIsNeeded: the next process loads what the pinned links run.
func TestTakesOverWhatIsNeeded(t *testing.T) {
	for how, want := range map[string]string{howNative: filterProgFilterXdp, howTCX: filterProgFilterIn} {
		fx := newFixture(t)
		dir := fx.pinned(how)
		check0(t, fx.filter.Close())
		fx.holds(how + ", closed")
		f, err := New(dir, quiet())
		check0(t, err)
		fx.filter = f
		fx.holds(how+", taken over", want)
		check0(t, fx.filter.Remove(context.Background(), "web"))
		check0(t, fx.filter.Close())
	}
}

// TestWarm: what suits the interfaces of the machine is there before the first module,
// which then loads nothing; after a take-over nothing is loaded beside what the pinned
// links run.
func TestWarm(t *testing.T) {
	fx := newFixture(t)
	dir := fx.pinned(howNative)
	check0(t, fx.filter.Close())
	f, err := New(dir, quiet())
	check0(t, err)
	fx.filter = f
	f.Warm()
	fx.holds("taken over", filterProgFilterXdp)
	check0(t, f.Remove(context.Background(), "web"))
	check0(t, f.Close())
	for _, c := range []struct {
		prefer, want string
	}{{"", filterProgFilterIn}, {howNative, filterProgFilterXdp}, {howTCX, filterProgFilterIn}} {
		f, err := New("", quiet())
		check0(t, err)
		fx.filter = f
		if c.prefer != "" {
			check0(t, f.Prefer(c.prefer))
		}
		fx.holds("new, prefers " + c.prefer)
		f.Warm() // eth0 is a veth
		fx.holds("warm, prefers "+c.prefer, c.want)
		fx.configure()
		fx.holds("configured, prefers "+c.prefer, c.want)
		check0(t, f.Close())
		f.Warm()
		fx.holds("closed")
	}
}

// TestWarmHoldsNobodyUp: modules are set up and ended while programs are loaded.
func TestWarmHoldsNobodyUp(t *testing.T) {
	fx := newFixture(t)
	check0(t, fx.filter.Close())
	f, err := New("", quiet())
	check0(t, err)
	v := f.verdicts[linkXDP]
	v.mu.Lock() // it is being loaded
	_, err = f.State(context.Background())
	check0(t, err)
	check0(t, f.Renew(0))
	check0(t, f.Prefer(howTCX))
	fx.filter = f
	fx.configure() // needs the other form
	v.mu.Unlock()
	fx.holds("configured meanwhile", filterProgFilterIn)
}

// TestSameMaps: both forms of the verdict read the maps that the filter writes.
func TestSameMaps(t *testing.T) {
	fx := newFixture(t)
	var held []bpf.MapID
	for name, m := range fx.filter.maps() {
		info, err := m.Info()
		check0(t, err)
		id, ok := info.ID()
		if !ok {
			t.Fatalf("the kernel does not tell the number of the map %s", name)
		}
		held = append(held, id)
	}
	for kind, name := range verdictPrograms {
		info, err := fx.program(kind).Info()
		check0(t, err)
		used, ok := info.MapIDs()
		if !ok || len(used) == 0 {
			t.Errorf("%s uses no maps", name)
		}
		for _, id := range used {
			if !slices.Contains(held, id) {
				m, err := bpf.NewMapFromID(id)
				check0(t, err)
				t.Errorf("%s has a map of its own: %v; Filter.maps must name it", name, m)
				m.Close()
			}
		}
	}
}

// BenchmarkTakeOver is the filter's part of a take-over: the first module is set up, on
// a filter whose process runs already, and has had the time to load its programs or not.
func BenchmarkTakeOver(b *testing.B) {
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("warm=%t", warm), func(b *testing.B) {
			fx := newFixture(b)
			best := time.Duration(math.MaxInt64)
			for b.Loop() {
				check0(b, fx.filter.Close())
				f, err := New("", quiet())
				check0(b, err)
				fx.filter = f
				if warm {
					f.Warm()
				}
				began := time.Now()
				fx.configure()
				best = min(best, time.Since(began))
			}
			b.ReportMetric(best.Seconds()*1000, "ms/configure")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkLoad is the filter's part of a start: brought into the kernel and put on
// an interface. Most of it is the kernel's verifier. The best of all counts, as
// others use the processor, too.
func BenchmarkLoad(b *testing.B) {
	for _, how := range attachOrder("") {
		b.Run(how, func(b *testing.B) {
			fx := newFixture(b, how)
			best := time.Duration(math.MaxInt64)
			for b.Loop() {
				check0(b, fx.filter.Close())
				began := time.Now()
				f, err := New("", quiet())
				check0(b, err)
				f.order = []string{how}
				fx.filter = f
				fx.configure()
				best = min(best, time.Since(began))
			}
			b.ReportMetric(best.Seconds()*1000, "ms/start")
			b.ReportMetric(0, "ns/op")
		})
	}
}
