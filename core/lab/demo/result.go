package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// Result is what the demonstration measured, as a client saw it.
type Result struct {
	Faults      []FaultResult `json:"faults"`
	Connections Connections   `json:"connections"`
	Shares      BeforeAfter   `json:"shares"`
	// AnsweredTwice counts connections that two servers accepted. It must be 0.
	AnsweredTwice int64 `json:"answered_twice"`
	// Problems are what should not have happened, in words; none is a success.
	Problems []string `json:"problems"`
}

// FaultResult is one act: a server goes and comes back.
type FaultResult struct {
	Kind string `json:"kind"` // kill, cut, drain
	Node string `json:"node"`
	// OutageMS is how long new connections failed, a part of them or all: the start
	// of the last failed attempt less that of the first, plus one interval.
	OutageMS float64 `json:"outage_ms"`
	// ReturnOutageMS is the same while the server came back.
	ReturnOutageMS float64            `json:"return_outage_ms"`
	Failed         int64              `json:"failed_requests"`
	Connections    Connections        `json:"connections"`
	SharesBefore   map[string]float64 `json:"shares_before"`
	SharesAfter    map[string]float64 `json:"shares_after"`    // while it was away
	SharesReturned map[string]float64 `json:"shares_returned"` // when it was back
}

// Connections counts long-lived connections that were open when a fault began.
type Connections struct {
	Kept int `json:"kept"`
	// Broken lived on the server that failed: nothing can keep those of a dead one.
	Broken int `json:"broken"`
	// BrokenOther lived on other servers. It must be 0.
	BrokenOther int `json:"broken_other"`
}

// BeforeAfter are the servers' parts of the new connections, 0 to 1.
type BeforeAfter struct {
	Before map[string]float64 `json:"before"`
	After  map[string]float64 `json:"after"`
}

// WriteJSON writes the result as one document.
func (r Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

var acts = map[string]string{
	"kill":  "killed (daemon and application)",
	"cut":   "network cable cut",
	"drain": "drained",
}

// Text is the result for people.
func (r Result) Text() string {
	var b strings.Builder
	b.WriteString("\nWhat the clients saw\n\n")
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %s %s\n", f.Node, acts[f.Kind])
		fmt.Fprintf(&b, "      outage %s; %s while it came back; %d requests failed\n",
			outage(f.OutageMS), outage(f.ReturnOutageMS), f.Failed)
		fmt.Fprintf(&b, "      long-lived connections: %d kept, %d broken with the server, %d broken on other servers\n",
			f.Connections.Kept, f.Connections.Broken, f.Connections.BrokenOther)
		fmt.Fprintf(&b, "      shares: %s → %s → %s\n", shares(f.SharesBefore), shares(f.SharesAfter), shares(f.SharesReturned))
	}
	if r.AnsweredTwice == 0 {
		b.WriteString("\n  no request was answered by two servers\n")
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(&b, "\n  not as it should be: %s\n", problem)
	}
	return b.String()
}

func outage(ms float64) string {
	if ms == 0 {
		return "none"
	}
	return fmt.Sprintf("%.0f ms", math.Ceil(ms))
}

func shares(s map[string]float64) string {
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", node, s[node]*100))
	}
	return strings.Join(parts, ", ")
}

func round(s map[string]float64) map[string]float64 {
	rounded := map[string]float64{}
	for node, share := range s {
		rounded[node] = math.Round(share*1000) / 1000
	}
	return rounded
}
