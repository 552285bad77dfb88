package load

import (
	"math"
	"time"
)

// Report is what the client saw from the beginning to Elapsed. A sample is a
// Report, too. All times are milliseconds.
type Report struct {
	Target      string      `json:"target"`
	Proto       string      `json:"proto"` // tcp or udp
	Start       time.Time   `json:"start"`
	ElapsedMS   float64     `json:"elapsed_ms"`
	New         NewConns    `json:"new"`
	Connections Connections `json:"connections"`
}

// NewConns is about the connections that are made on schedule for one request.
type NewConns struct {
	Rate     int              `json:"rate"`
	Attempts int64            `json:"attempts"`
	OK       int64            `json:"ok"`
	Failed   int64            `json:"failed"`
	Causes   map[Cause]int64  `json:"causes"` // of the failures
	Nodes    map[string]int64 `json:"nodes"`  // who answered; "" did not say
	Latency  Latency          `json:"latency_ms"`
	Outages  []Outage         `json:"outages"`
	// Doubled counts requests that were answered twice: by UDP, and SYNs; nothing
	// when nobody looked. Doubles are the first of them. Repeated are those of Doubled
	// that one server answered twice: it had got them twice.
	Doubled  *int64   `json:"doubled"`
	Repeated int64    `json:"repeated"`
	Doubles  []Double `json:"doubles,omitempty"`
	// NotSent counts attempts that this machine did not make: too many were in
	// flight, or the kernel had no port or file left. They are no failures of the
	// service; when there are many, the measurement is worth nothing.
	NotSent int64 `json:"not_sent"`
	// LateMS is the longest delay of an attempt against its schedule: how well
	// this machine kept up.
	LateMS float64 `json:"late_ms"`
}

// Double is a request with two answers, and who gave them: nodes by UDP, the MAC
// addresses of servers in TCP.
type Double struct {
	AtMS float64   `json:"at_ms"` // when the second one came
	By   [2]string `json:"by"`
}

// Twice is Doubled, 0 when nobody looked.
func (n NewConns) Twice() int64 {
	if n.Doubled == nil {
		return 0
	}
	return *n.Doubled
}

// Cause says how an attempt or a connection failed.
type Cause string

const (
	NoConnection Cause = "no_connection" // time-out before the connection was there
	NoAnswer     Cause = "no_answer"     // time-out after it
	Reset        Cause = "reset"
	Refused      Cause = "refused"
	Unreachable  Cause = "unreachable"
	Closed       Cause = "closed"     // ended before the answer did
	BadAnswer    Cause = "bad_answer" // not HTTP, or a status that is not 2xx
	Local        Cause = "local"      // this machine could not try
)

// Outage is a time in which attempts failed.
type Outage struct {
	AtMS   float64 `json:"at_ms"` // start of the first failed attempt, since Report.Start
	MS     float64 `json:"ms"`    // length, as the package's comment defines it
	Failed int     `json:"failed"`
	Lost   int     `json:"lost"` // of these, those whose SYN was not answered
}

// Latency of successful attempts, from the start of the connection to the end of
// the answer; within 4 %.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Connections is about the long-lived connections.
type Connections struct {
	Wanted   int            `json:"wanted"`
	Opened   int            `json:"opened"` // first ones, and those that replace broken ones
	Kept     int            `json:"kept"`   // open now
	Broken   int            `json:"broken"`
	Closed   int            `json:"closed"`      // ended by the server after it had said so (Connection: close)
	Failed   int            `json:"open_failed"` // attempts to open one that failed
	Requests int64          `json:"requests"`    // answered
	Moved    int            `json:"moved"`       // by UDP: a client was answered by another node than the time before
	Nodes    map[string]int `json:"nodes"`       // where the open ones live
	Breaks   []Break        `json:"breaks"`
	// LongestWaitMS is the longest time that a request on a connection waited for
	// its answer.
	LongestWaitMS float64 `json:"longest_wait_ms"`
}

// Break is the end of a long-lived connection that the client did not want.
type Break struct {
	AtMS  float64 `json:"at_ms"` // when it was noticed
	AgeMS float64 `json:"age_ms"`
	Node  string  `json:"node"` // that served it
	Cause Cause   `json:"cause"`
}

// OutageMS is the sum of the outages that began in a span of Report.ElapsedMS,
// and the longest of them.
func (r Report) OutageMS(from, to float64) (sum, longest float64) {
	for _, o := range r.New.Outages {
		if o.AtMS >= from && o.AtMS < to {
			sum += o.MS
			longest = max(longest, o.MS)
		}
	}
	return sum, longest
}

// Shares answers each node's part of the new connections answered since an
// earlier sample, 0 to 1; nil when there were none.
func (r Report) Shares(earlier Report) map[string]float64 {
	total := r.New.OK - earlier.New.OK
	if total <= 0 {
		return nil
	}
	shares := map[string]float64{}
	for node, count := range r.New.Nodes {
		shares[node] = float64(count-earlier.New.Nodes[node]) / float64(total)
	}
	return shares
}

func ms(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}
