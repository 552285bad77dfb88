package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(millis int) time.Duration { return time.Duration(millis) * time.Millisecond }

func TestOutageRunsFromFirstToLastFailureAndOneInterval(t *testing.T) {
	var f failures
	// 200 attempts a second; results come out of order.
	for _, seq := range []int64{103, 101, 100, 110, 400, 401} {
		f.add(failure{seq, at(int(seq) * 5), seq < 200})
	}
	want := []Outage{{AtMS: 500, MS: 55, Failed: 4, Lost: 4}, {AtMS: 2000, MS: 10, Failed: 2}}
	if diff := cmp.Diff(want, f.outages(at(5), 50)); diff != "" {
		t.Fatal(diff)
	}
}

func TestSeparatorSuccessesPartTwoOutages(t *testing.T) {
	var f failures
	f.add(failure{0, 0, false})
	f.add(failure{6, at(6), false})
	if got := len(f.outages(at(1), 5)); got != 2 {
		t.Errorf("five successes between: %d outages, want 2", got)
	}
	if got := len(f.outages(at(1), 6)); got != 1 {
		t.Errorf("five successes, six wanted: %d outages, want 1", got)
	}
	if got := failures(nil).outages(at(1), 5); got == nil || len(got) != 0 {
		t.Errorf("no failures: %v, want an empty list (JSON [])", got)
	}
}

func TestReportAddsOutagesOfASpan(t *testing.T) {
	r := Report{New: NewConns{Outages: []Outage{{AtMS: 5, MS: 1}, {AtMS: 10, MS: 30}, {AtMS: 20, MS: 40}, {AtMS: 30, MS: 99}}}}
	if sum, longest := r.OutageMS(10, 30); sum != 70 || longest != 40 {
		t.Fatalf("sum %v, longest %v", sum, longest)
	}
}

func TestHistogramIsWithinFourPercent(t *testing.T) {
	for _, d := range []time.Duration{17 * time.Microsecond, 63 * time.Microsecond, 64 * time.Microsecond,
		999 * time.Microsecond, 123456 * time.Microsecond, 3 * time.Second} {
		var h histogram
		h.add(d)
		h.max = time.Hour // let the bucket speak
		got, want := h.quantile(0.5), ms(d)
		if got < want*0.99 || got > want*1.04 {
			t.Errorf("%s: %v ms", d, got)
		}
	}
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i) * time.Millisecond)
	}
	if l := h.latency(); l.Max != 999 || l.P50 < 490 || l.P50 > 520 || l.P99 < 985 {
		t.Errorf("%+v", l)
	}
}
