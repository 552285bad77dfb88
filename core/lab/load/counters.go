package load

import (
	"maps"
	"slices"
	"time"
)

// counters gather what happened; only the loop's goroutine touches them.
type counters struct {
	attempts, ok, notSent int64
	causes                map[Cause]int64
	nodes                 map[string]int64
	failed                failures
	latency               histogram
	late                  time.Duration
	doubled, repeated     int64
	doubles               []Double

	opened, openFailed, kept, closed, moved int
	requests                                int64
	living                                  map[string]int
	breaks                                  []Break
	wait                                    time.Duration
}

func newCounters() *counters {
	return &counters{causes: map[Cause]int64{}, nodes: map[string]int64{}, living: map[string]int{}, breaks: []Break{}}
}

func (c *counters) success(node string, took time.Duration) {
	c.ok++
	c.nodes[node]++
	c.latency.add(took)
}

// failure counts an attempt; one that this machine could not make is none.
func (c *counters) failure(seq int64, start time.Duration, cause Cause) {
	if cause == Local {
		c.notSent++
		c.attempts--
		return
	}
	c.causes[cause]++
	c.failed.add(failure{seq, start, cause == NoConnection})
}

// maxDoubles limits the examples in a report.
const maxDoubles = 20

func (c *counters) double(now time.Duration, first, second string) {
	c.doubled++
	if first == second {
		c.repeated++
	}
	if len(c.doubles) < maxDoubles {
		c.doubles = append(c.doubles, Double{AtMS: ms(now), By: [2]string{first, second}})
	}
}

func (c *counters) report(cfg Config, begin time.Time, elapsed time.Duration) Report {
	interval := time.Duration(0)
	if cfg.Rate > 0 {
		interval = time.Second / time.Duration(cfg.Rate)
	}
	living := maps.Clone(c.living)
	maps.DeleteFunc(living, func(_ string, count int) bool { return count == 0 })
	r := Report{
		Target: cfg.Target.String(), Proto: "tcp", Start: begin, ElapsedMS: ms(elapsed),
		New: NewConns{
			Rate: cfg.Rate, Attempts: c.attempts, OK: c.ok, Failed: int64(len(c.failed)), NotSent: c.notSent,
			Causes: maps.Clone(c.causes), Nodes: maps.Clone(c.nodes), Latency: c.latency.latency(),
			Outages: c.failed.outages(interval, cfg.Separator), LateMS: ms(c.late),
			Doubles: slices.Clone(c.doubles), Repeated: c.repeated,
		},
		Connections: Connections{
			Wanted: cfg.Connections, Opened: c.opened, Kept: c.kept, Closed: c.closed, Broken: len(c.breaks), Failed: c.openFailed,
			Moved: c.moved, Requests: c.requests, Nodes: living, Breaks: slices.Clone(c.breaks), LongestWaitMS: ms(c.wait),
		},
	}
	if cfg.UDP {
		r.Proto = "udp"
	}
	if cfg.UDP || cfg.Doubles {
		doubled := c.doubled
		r.New.Doubled = &doubled
	}
	return r
}
