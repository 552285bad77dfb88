package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Figure
		met  string
	}{
		{"both kept", Figure{Target: both(150, 400), Values: []float64{100, 150, 400}}, "yes"},
		{"median missed", Figure{Target: both(150, 400), Values: []float64{100, 151, 400}}, "**missed**"},
		{"worst missed", Figure{Target: both(150, 400), Values: []float64{100, 150, 401}}, "**missed**"},
		{"nothing promised", Figure{Values: []float64{7}}, "–"},
		{"nothing measured", Figure{Target: always(0)}, "–"},
		{"below the peer", Figure{Target: Target{BelowPeer: true}, Values: []float64{2}, Peer: &Peer{Values: []float64{3}}}, "yes"},
		{"not below the peer", Figure{Target: Target{BelowPeer: true}, Values: []float64{3}, Peer: &Peer{Values: []float64{3}}}, "**missed**"},
		{"no peer", Figure{Target: Target{BelowPeer: true}, Values: []float64{3}}, "–"},
		{"ratio kept", Figure{Target: against(2), Values: []float64{3}, Peer: &Peer{Values: []float64{6}}}, "yes"},
		{"ratio missed", Figure{Target: against(2), Values: []float64{3}, Peer: &Peer{Values: []float64{5}}}, "**missed**"},
		{"ratio without a peer", Figure{Target: against(2), Values: []float64{3}}, "no peer"},
		{"skipped", Figure{Target: always(1), Skipped: "not installed"}, "not measured"},
	} {
		c.f.judge()
		if got := c.f.verdict(); got != c.met {
			t.Errorf("%s: %s, want %s", c.name, got, c.met)
		}
	}
}

func TestMedianAndRatio(t *testing.T) {
	f := Figure{Values: []float64{40, 10, 20, 30}, Peer: &Peer{Values: []float64{300, 100, 200}}}
	f.judge()
	if f.Median != 25 || f.Worst != 40 || f.Peer.Median != 200 || f.Ratio != 8 {
		t.Errorf("%+v %+v", f, f.Peer)
	}
}

func TestParseBench(t *testing.T) {
	got := parseBench("goos: linux\nBenchmarkRun-2   \t  2400\t    456123 ns/op\t  12 B/op\nBenchmarkVerdict/not-ip-2 \t 100 \t 0 ns/op \t 12.5 ns/packet\nPASS\n")
	want := measurements{
		"BenchmarkRun":            {"ns/op": 456123, "B/op": 12},
		"BenchmarkVerdict/not-ip": {"ns/op": 0, "ns/packet": 12.5},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if v, err := got.value("BenchmarkVerdict/not-ip", "ns/op"); err != nil || v != 0 {
		t.Errorf("what is 0 is %f, %v", v, err)
	}
	for _, missing := range [][2]string{{"BenchmarkRun", "ns/packet"}, {"BenchmarkRan", "ns/op"}} {
		if _, err := got.value(missing[0], missing[1]); err == nil {
			t.Errorf("%v was measured", missing)
		}
	}
}

// go test leaves the number of processors away when it is one, and a number at the end
// of a name stays then.
func TestGrowths(t *testing.T) {
	got := growths(map[string]map[string]float64{
		"BenchmarkGrowth/nodes-2": {"ns/packet": 20}, "BenchmarkGrowth/nodes-16": {"ns/packet": 30}, "BenchmarkGrowth/nodes-64": {"ns/packet": 25},
		"BenchmarkVerdict/x-1": {"ns/packet": 7},
	})
	if d := cmp.Diff(map[string]float64{"2 to 64 nodes": 1.5}, got); d != "" {
		t.Error(d)
	}
}

// What breaks is put down to the fault only if it had to break with it.
func TestAccount(t *testing.T) {
	report := load.Report{ElapsedMS: 20_000}
	report.New.Outages = []load.Outage{{AtMS: 4960, MS: 80}, {AtMS: 10_100, MS: 6}}
	report.Connections.Breaks = []load.Break{
		{AtMS: 5200, AgeMS: 5000, Node: "n2", Cause: load.Reset}, // with its node
		{AtMS: 5300, AgeMS: 5000, Node: "n1"},                    // on another one
		{AtMS: 12_000, AgeMS: 1000, Node: "n2"},                  // opened after the return
		{AtMS: 4000, AgeMS: 100, Node: "n2"},                     // before anything happened
	}
	killed := account(report, kind{}, "n2", 5000, 10_000, 3)
	if killed != (cost{outage: 80, returned: 6, brokenOwn: 1, brokenOther: 3, late: 3, why: "[reset:1]"}) {
		t.Errorf("killed: %+v", killed)
	}
	if drained := account(report, kind{stays: true}, "n2", 5000, 10_000, 0); drained.brokenOwn != 0 || drained.brokenOther != 4 {
		t.Errorf("drained: %+v", drained)
	}
}

// A SYN that was not answered is lost; what broke after an answer had to only where
// servers are restarted.
func TestSee(t *testing.T) {
	begin := time.Now()
	report := load.Report{Start: begin}
	report.New.Outages = []load.Outage{{AtMS: 100, Failed: 9, Lost: 9}, {AtMS: 5000, Failed: 7, Lost: 2}}
	report.Connections.Breaks = []load.Break{{AtMS: 5500, Node: "n1"}, {AtMS: 5500, Node: "n2"}}
	if got := see(report, 4990, nil); got != (noticed{lost: 2, broken: 7}) {
		t.Errorf("a move: %+v", got)
	}
	restarted := map[string]period{"n1": {begin.Add(5 * time.Second), begin.Add(6 * time.Second)}}
	if got := see(report, 4990, restarted); got != (noticed{lost: 2, ended: 6, broken: 1}) {
		t.Errorf("a restart: %+v", got)
	}
}

func TestTableIsReplaced(t *testing.T) {
	page := insertTable("# Title\n", "one\n")
	page = insertTable(strings.Replace(page, "# Title", "# New title", 1)+"behind\n", "two\n")
	if strings.Contains(page, "one") || !strings.Contains(page, "two") || !strings.HasPrefix(page, "# New title") || !strings.HasSuffix(page, "behind\n") {
		t.Errorf("%q", page)
	}
}

func TestEarlierFiguresAreKept(t *testing.T) {
	d := Document{Figures: []Figure{{ID: "a", Benchmark: "idle"}}}
	d.keep(Document{Figures: []Figure{{ID: "old", Benchmark: "idle"}, {ID: "b", Benchmark: "outage"}}}, []string{"idle"})
	if len(d.Figures) != 2 || d.Figures[0].ID != "b" || d.Figures[1].ID != "a" {
		t.Errorf("%+v", d.Figures)
	}
}

// A run of some cases, or one that failed, keeps the rows of the others.
func TestFiguresOfOtherCasesAreKept(t *testing.T) {
	earlier := Document{Figures: []Figure{
		{ID: "falsealarm.3.4.lost", Benchmark: "falsealarm", Note: "earlier"}, {ID: "falsealarm.3.100.lost", Benchmark: "falsealarm", Note: "earlier"},
	}}
	d := Document{Figures: []Figure{{ID: "falsealarm.3.100.lost", Benchmark: "falsealarm", Note: "now"}}}
	d.keep(earlier, nil)
	if len(d.Figures) != 2 || d.Figures[0].Note != "now" || d.Figures[1].ID != "falsealarm.3.4.lost" {
		t.Errorf("%+v", d.Figures)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3: "3", 0.456: "0.456", 93.27: "93.3", 1234.5: "1234", 1e-3: "0.001"} {
		if got := short(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// What differs is counted in blocks, and a file that the other copy lacks as a whole.
func TestDiffer(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	page := func(fill ...byte) (text []byte) {
		for _, b := range fill {
			text = append(text, bytes.Repeat([]byte{b}, block)...)
		}
		return text
	}
	for path, text := range map[string][]byte{
		dir + "/same": page(1, 2), other + "/same": page(1, 2),
		dir + "/changed": page(1, 2, 3), other + "/changed": page(1, 9, 3),
		dir + "/grown": append(page(1, 2), 3), other + "/grown": page(1),
		dir + "/new": page(1)[:10], other + "/gone": page(7),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := differ(dir, other)
	if want := int64(block + block + 1 + 10); err != nil || got != want {
		t.Errorf("%d, %v, want %d", got, err, want)
	}
}
