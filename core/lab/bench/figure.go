package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Figure is one measured value with what it was meant to be.
type Figure struct {
	ID        string    `json:"id"`        // e.g. "outage.cut"
	Benchmark string    `json:"benchmark"` // who measures it; a name for -only
	Name      string    `json:"name"`
	Unit      string    `json:"unit"`
	Target    Target    `json:"target"`
	Values    []float64 `json:"values"` // one a run, in the order of the runs
	Median    float64   `json:"median"`
	Worst     float64   `json:"worst"` // the largest: for every figure less is better
	Peer      *Peer     `json:"peer,omitempty"`
	Ratio     float64   `json:"ratio,omitempty"` // the peer's median by ours; 0 without a peer
	Met       *bool     `json:"met,omitempty"`   // nothing without a target
	Skipped   string    `json:"skipped,omitempty"`
	Note      string    `json:"note,omitempty"`
	At        time.Time `json:"at"`
	Load      string    `json:"load"` // the machine's load averages when it was done
}

// Target is what is promised; a limit that is nil is not promised.
type Target struct {
	Median *float64 `json:"median,omitempty"` // at most
	Worst  *float64 `json:"worst,omitempty"`  // at most
	// BelowPeer promises less than the peer has in the same run.
	BelowPeer bool `json:"below_peer,omitempty"`
	// Ratio promises that the peer has so many times as much, at least.
	Ratio *float64 `json:"ratio,omitempty"`
}

// Peer is the same figure of another product.
type Peer struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
	Median float64   `json:"median"`
	Worst  float64   `json:"worst"`
}

func upTo(v float64) *float64 { return &v }

// both promises a median and a worst value.
func both(middle, worst float64) Target { return Target{Median: &middle, Worst: &worst} }

// always promises that no run is above a limit.
func always(worst float64) Target { return Target{Worst: &worst} }

// against promises that a peer has at least so many times as much.
func against(ratio float64) Target { return Target{Ratio: &ratio} }

// judge computes what follows from the values.
func (f *Figure) judge() {
	f.At, f.Load = time.Now().UTC().Truncate(time.Second), loadAverage()
	f.Median, f.Worst = median(f.Values), largest(f.Values)
	if f.Peer != nil {
		f.Peer.Median, f.Peer.Worst = median(f.Peer.Values), largest(f.Peer.Values)
		if f.Median > 0 {
			f.Ratio = f.Peer.Median / f.Median
		}
	}
	t := f.Target
	if len(f.Values) == 0 || (t == Target{}) || ((t.BelowPeer || t.Ratio != nil) && f.Peer == nil) {
		return
	}
	met := (t.Median == nil || f.Median <= *t.Median) && (t.Worst == nil || f.Worst <= *t.Worst)
	if t.BelowPeer {
		met = met && f.Worst < f.Peer.Worst
	}
	if t.Ratio != nil {
		met = met && f.Peer.Median >= *t.Ratio*f.Median
	}
	f.Met = &met
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func largest(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Max(values)
}

// Document is the whole of a benchmark's result.
type Document struct {
	Machine Machine  `json:"machine"`
	Figures []Figure `json:"figures"`
}

// keep takes over the figures of an earlier document that were not measured
// now, so that benchmarks can be run one by one and in part. Of those that ran as a
// whole nothing is taken over: what they do not measure any more would stay for ever.
func (d *Document) keep(earlier Document, whole []string) {
	now := map[string]bool{}
	for _, f := range d.Figures {
		now[f.ID] = true
	}
	for _, f := range earlier.Figures {
		if !slices.Contains(whole, f.Benchmark) && !now[f.ID] {
			d.Figures = append(d.Figures, f)
		}
	}
	slices.SortStableFunc(d.Figures, func(a, b Figure) int { return cmp.Compare(rank(a.Benchmark), rank(b.Benchmark)) })
}

func rank(name string) int {
	return slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == name })
}

func readDocument(path string) (Document, error) {
	var d Document
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return Document{}, fmt.Errorf("read the earlier figures in %s: %w; remove it to begin anew", path, err)
	}
	return d, nil
}
