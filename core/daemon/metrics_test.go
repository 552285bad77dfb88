package daemon

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/orchestrator-ha/orchestrator/core/journal"
	"github.com/orchestrator-ha/orchestrator/core/metrics"
	"github.com/orchestrator-ha/orchestrator/core/pluginhost"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

const metricsPage = "../../docs/metrics.md"

// docs/metrics.md is made of the metrics themselves.
func TestMetricsPage(t *testing.T) {
	want := metricsHead + "\n" + strings.TrimSuffix(metrics.Page(Metrics()), "\n")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s does not tell of the metrics as they are: UPDATE=1 go test ./core/daemon", metricsPage)
	}
}

const metricsHead = `# Metrics

<!-- generated from core/daemon: UPDATE=1 go test ./core/daemon -->

Every node shows its own metrics in the text format of Prometheus:

    orchestrator metrics                      on the node, as root
    https://NODE:9010/metrics                 over the network, with a token

Over the network they need a login, as every other question to the API. A token that may
only read, good for a year on all nodes, is given out on any of them, as root:

    orchestrator token --user prometheus > orchestrator.token

The certificate is of the cluster's own authority, ` + "`cluster/authority.crt`" + `. For Prometheus:

    scrape_configs:
      - job_name: orchestrator
        scheme: https
        authorization:
          credentials_file: /etc/prometheus/orchestrator.token
        tls_config:
          ca_file: /etc/prometheus/orchestrator-ca.pem
        static_configs:
          - targets: ["192.0.2.1:9010", "192.0.2.2:9010", "192.0.2.3:9010"]

Before it ends give out another one: ` + "`orchestrator token --help`" + ` tells of roles and times, and
how one is withdrawn.

Nothing is counted for a metric that nobody looks at: what is shown is read at that
moment, the packets from the counters that the filter has in the kernel. Only connections are
remembered, for a hundred times as long as it took to count them. Times are in
seconds, sizes in bytes. Labels have few values: names of modules, groups, nodes,
networks, resources, hooks and plugins as they are configured, and fixed words. Besides
the metrics below there are ` + "`go_…` and `process_…`" + `, the usual ones of a Go
program, of the daemon's process alone.

What to watch:

    orchestrator_module_serving == 0                             a module takes nothing on a node
    orchestrator_resource_state{state="down"} == 1               a check found something down
    orchestrator_share_agreed == 0                               for longer than seconds: nodes use different tables
    orchestrator_lease_remaining_seconds < 0                     a node is late, or its daemon is gone
    increase(orchestrator_heartbeat_losses_total[5m]) > 0        a node was declared lost
    rate(orchestrator_filter_packets_total{verdict="drop"}[5m])  what is dropped, and why
`

// TestMetricsFollowTheGuide holds all names, units and texts to what Prometheus asks for.
func TestMetricsFollowTheGuide(t *testing.T) {
	sections := Metrics()
	for i := range sections {
		sections[i].Metrics = slices.Clone(sections[i].Metrics)
		for j := range sections[i].Metrics {
			m := &sections[i].Metrics[j]
			m.Read = func(_ *Scrape, out metrics.Sink) {
				if m.Kind == metrics.Histogram {
					out.Distribution(metrics.NewDistribution(1), m.Labels...)
					return
				}
				out.Value(1, m.Labels...)
			}
		}
	}
	h := metrics.Handler(sections, (&Daemon{log: quiet()}).scrape, quiet())
	text := scraped(t, h)
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "orchestrator_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, s := range sections {
		for _, m := range s.Metrics {
			if !bytes.Contains(text, []byte("# TYPE "+m.Name+" "+string(m.Kind)+"\n")) {
				t.Errorf("%s is not shown", m.Name)
			}
			if !strings.HasSuffix(m.Help, ".") {
				t.Errorf("%s: its meaning is no sentence: %s", m.Name, m.Help)
			}
		}
	}
}

// TestMetricsWithoutCluster: a node that belongs to none shows what it has.
func TestMetricsWithoutCluster(t *testing.T) {
	d := &Daemon{log: quiet(), opt: Options{Home: t.TempDir(), Version: "1.2.3"}}
	var err error
	if d.journal, err = journal.Open(filepath.Join(d.opt.Home, "journal.db"), journal.Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	if d.plugins, err = pluginhost.New(pluginhost.Options{Log: quiet()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.plugins.Close)
	d.note("node", "info", "A test.", nil, 0)
	text := string(scraped(t, d.metricsHandler()))
	for _, want := range []string{`orchestrator_build_info{`, `version="1.2.3"`, "\norchestrator_journal_entries_total 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// scraped is what a handler shows, which must be in the text format.
func scraped(t *testing.T, h http.Handler) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(bytes.NewReader(w.Body.Bytes())); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v:\n%s", w.Code, err, w.Body)
	}
	return w.Body.Bytes()
}

func TestHookRuns(t *testing.T) {
	var h hookRuns
	h.count("start_both", true, time.Second)
	h.count("start_both", false, time.Second)
	h.count("stop_both", true, time.Second)
	failed := map[string]int{}
	h.each(func(name string, r hookRun) { failed[name] = r.failed })
	if len(failed) != 2 || failed["start_both"] != 1 || failed["stop_both"] != 0 {
		t.Errorf("counted %v", failed)
	}
}

// TestShareChanges: a word about who agrees is no change of the table, a step of a plan
// that moves nothing is none either.
func TestShareChanges(t *testing.T) {
	view := func(epoch share.Epoch, row share.Row) share.Install {
		return share.Install{View: share.View{Epoch: epoch, Tables: []share.Table{{Name: "g", Rows: share.Rows{row}}}}}
	}
	var c shareChanges
	var last *share.Install
	for _, step := range []struct {
		next          share.Install
		views, tables int
	}{{view(1, 1), 1, 1}, {view(1, 1), 1, 1}, {view(1, 2), 1, 2}, {view(2, 2), 2, 2}, {view(3, 1), 3, 3}} {
		c.count(last, step.next)
		last = &step.next
		if c.views != step.views || c.tables != step.tables || c.changed.IsZero() {
			t.Errorf("after %+v: %+v", step.next.View, c)
		}
	}
}
