// Package metrics shows numbers about a node to Prometheus, in its text format. It
// is the only importer of the Prometheus client.
//
// A metric is one entry in a table: what it is called, what it means, and how it is
// read. Nothing is counted here while nobody asks: a scrape reads what there is, so a
// metric costs nothing but when it is looked at. The page about the metrics is made of
// the same table (Page).
package metrics

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Kind is the type of a metric.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // only grows, until the program or the module starts anew
	Gauge     Kind = "gauge"     // goes up and down
	Histogram Kind = "histogram" // how often which size was seen
)

// Metric is one metric. S is what a scrape looks at.
type Metric[S any] struct {
	Name   string // as Prometheus' naming guide demands: base unit at its end, _total for counters
	Kind   Kind
	Help   string
	Labels []string
	Read   func(S, Sink) // tells the values of this moment, one for each set of labels
}

// Section is some metrics that belong together.
type Section[S any] struct {
	Title   string
	Metrics []Metric[S]
}

// Sink takes the values of a metric.
type Sink struct {
	kind Kind
	desc *prometheus.Desc
	out  chan<- prometheus.Metric
}

// Value tells a value, with one text for each label.
func (s Sink) Value(v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if s.kind == Counter {
		kind = prometheus.CounterValue
	}
	s.send(prometheus.NewConstMetric(s.desc, kind, v, labels...))
}

// OneOf tells 1 for the state that something is in and 0 for the others; the last
// label is the state.
func (s Sink) OneOf(is string, states []string, labels ...string) {
	for _, state := range states {
		s.Value(Truth(state == is), append(labels[:len(labels):len(labels)], state)...)
	}
}

// Distribution tells a histogram.
func (s Sink) Distribution(d *Distribution, labels ...string) {
	count, sum, buckets := d.read()
	s.send(prometheus.NewConstHistogram(s.desc, count, sum, buckets, labels...))
}

func (s Sink) send(m prometheus.Metric, err error) {
	if err != nil { // e.g. labels that are too many: the whole scrape says so
		m = prometheus.NewInvalidMetric(s.desc, err)
	}
	s.out <- m
}

// Truth is 1 or 0.
func Truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Handler answers scrapes. look begins one; ctx ends with it.
func Handler[S any](sections []Section[S], look func(ctx context.Context) S, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A registry for each scrape, as what is read belongs to one request.
		registry := prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		registry.MustRegister(newCollector(sections, look(r.Context())))
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		}).ServeHTTP(w, r)
	})
}

// collector reads the table for one scrape.
type collector[S any] struct {
	metrics []Metric[S]
	descs   []*prometheus.Desc
	from    S
}

func newCollector[S any](sections []Section[S], from S) *collector[S] {
	c := &collector[S]{from: from}
	for _, s := range sections {
		for _, m := range s.Metrics {
			c.metrics = append(c.metrics, m)
			c.descs = append(c.descs, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil))
		}
	}
	return c
}

// Describe names all that Collect may tell.
func (c *collector[S]) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect tells the values of this moment.
func (c *collector[S]) Collect(out chan<- prometheus.Metric) {
	for i, m := range c.metrics {
		m.Read(c.from, Sink{kind: m.Kind, desc: c.descs[i], out: out})
	}
}
