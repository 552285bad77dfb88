package metrics

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// a table as small as possible, with one metric of each kind.
func table() []Section[int] {
	sizes := NewDistribution(1, 10)
	for _, v := range []float64{1, 2, 10, 11} {
		sizes.Observe(v)
	}
	return []Section[int]{{Title: "All | of them", Metrics: []Metric[int]{
		{Name: "test_things_total", Kind: Counter, Help: "Things | seen.", Labels: []string{"kind"}, Read: func(n int, s Sink) { s.Value(float64(n), "a"); s.Value(2, "b") }},
		{Name: "test_state", Kind: Gauge, Help: "Which state it is in.", Labels: []string{"thing", "state"}, Read: func(_ int, s Sink) { s.OneOf("up", []string{"down", "up"}, "x") }},
		{Name: "test_size_bytes", Kind: Histogram, Help: "How large they are.", Read: func(_ int, s Sink) { s.Distribution(sizes) }},
	}}}
}

func scrape(t *testing.T, sections []Section[int]) string {
	t.Helper()
	n := 0
	h := Handler(sections, func(context.Context) int { n += 7; return n }, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestHandler(t *testing.T) {
	text := scrape(t, table())
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# HELP test_things_total Things | seen.\n# TYPE test_things_total counter\ntest_things_total{kind=\"a\"} 7\ntest_things_total{kind=\"b\"} 2\n",
		"test_state{state=\"down\",thing=\"x\"} 0\ntest_state{state=\"up\",thing=\"x\"} 1\n",
		"test_size_bytes_bucket{le=\"1\"} 1\ntest_size_bytes_bucket{le=\"10\"} 3\ntest_size_bytes_bucket{le=\"+Inf\"} 4\ntest_size_bytes_sum 24\ntest_size_bytes_count 4\n",
		"\ngo_goroutines ", "\nprocess_start_time_seconds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks\n%s\n%s", want, text)
		}
	}
}

// A metric that is told wrongly does not take the others with it.
func TestWrongLabels(t *testing.T) {
	sections := table()
	sections[0].Metrics[0].Read = func(_ int, s Sink) { s.Value(1, "too", "many") }
	var log strings.Builder
	h := Handler(sections, func(context.Context) int { return 0 }, slog.New(slog.NewTextHandler(io.Writer(&log), nil)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if text := w.Body.String(); strings.Contains(text, "test_things_total{") || !strings.Contains(text, "test_size_bytes_count 4") {
		t.Errorf("it tells\n%s", text)
	}
	if !strings.Contains(log.String(), "test_things_total") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestPage(t *testing.T) {
	want := "## All | of them\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n" +
		"| `test_things_total` | counter | `kind` | Things \\| seen. |\n"
	if got := Page(table()); !strings.HasPrefix(got, want) {
		t.Errorf("the page is\n%s", got)
	}
}
