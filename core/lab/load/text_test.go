package load

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportTextOfDatagrams(t *testing.T) {
	two := int64(2)
	r := Report{
		Target: "[fd77::100]:53", Proto: "udp", ElapsedMS: 1000,
		New:         NewConns{Rate: 100, Attempts: 100, OK: 100, Nodes: map[string]int64{"n1": 100}, Doubled: &two, Doubles: []Double{{AtMS: 500, By: [2]string{"n1", "n2"}}}},
		Connections: Connections{Wanted: 5, Kept: 5, Moved: 1, Nodes: map[string]int{"n1": 5}},
	}
	want := `[fd77::100]:53 for 1.0 s

datagrams, 100/s: 100 made, 100 answered, 0 failed
latency: half within 0.0 ms, 90 % 0.0 ms, 99 % 0.0 ms, longest 0.0 ms
  n1                100  100.0 %
no outage
answered twice: 2, 0 of them by one server
  twice at 0.5 s: by n1 and by n2

clients that keep their port: 5 open of 5, 0 broken, 0 closed by the server in order; longest wait 0 ms
  answered by another server than before: 1
  n1                  5
`
	if diff := cmp.Diff(want, r.Text()); diff != "" {
		t.Error(diff)
	}
}

func TestReportText(t *testing.T) {
	r := Report{
		Target: "10.77.0.100:80", ElapsedMS: 30012,
		New: NewConns{
			Rate: 500, Attempts: 1000, OK: 990, Failed: 10, NotSent: 2,
			Causes: map[Cause]int64{NoConnection: 9, Reset: 1}, Nodes: map[string]int64{"n1": 495, "": 495},
			Latency: Latency{0.5, 1, 2.25, 40}, Outages: []Outage{{AtMS: 1500, MS: 84, Failed: 10}},
		},
		Connections: Connections{
			Wanted: 60, Kept: 60, Broken: 2, Nodes: map[string]int{"n1": 60}, LongestWaitMS: 210,
			Breaks: []Break{{Node: "n2", Cause: Reset}, {Node: "n2", Cause: Reset}},
		},
	}
	want := `10.77.0.100:80 for 30.0 s

new connections, 500/s: 1000 made, 990 answered, 10 failed (no connection 9, reset 1)
latency: half within 0.5 ms, 90 % 1.0 ms, 99 % 2.2 ms, longest 40.0 ms
  (unnamed)         495   50.0 %
  n1                495   50.0 %
outage of 84 ms at 1.5 s: 10 failed
not made, for lack of room on this machine: 2

long-lived connections: 60 open of 60, 2 broken, 0 closed by the server in order; longest wait 210 ms
  n1                 60
  broken: 2 on n2, reset
`
	if diff := cmp.Diff(want, r.Text()); diff != "" {
		t.Error(diff)
	}
}
