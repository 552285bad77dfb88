package accept_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// The metrics of all nodes move as the traffic passes and as the share changes; over the
// network they need a login.
func TestMetrics(t *testing.T) {
	s := build(t, "accmetrics", "web_farm")
	s.do(t, "n1", "module", "install", "web_farm.safe", "--set", "VIRTUAL_IP="+vip)
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	t.Run("traffic", func(t *testing.T) { s.counted(t) })
	t.Run("share", func(t *testing.T) { s.measuredDrain(t, "n2") })
	t.Run("network", func(t *testing.T) { s.scrapedFromAfar(t) })
}

// scrape reads the metrics of a node.
func (s *stage) scrape(t *testing.T, node string) map[string]*dto.MetricFamily {
	t.Helper()
	return parseMetrics(t, s.do(t, node, "metrics"))
}

func parseMetrics(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}

// value adds up the values of a metric that have the labels, given as name=value.
func value(all map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	sum := 0.0
	for _, m := range all[name].GetMetric() {
		has := map[string]bool{}
		for _, l := range m.GetLabel() {
			has[l.GetName()+"="+l.GetValue()] = true
		}
		fits := true
		for _, l := range labels {
			fits = fits && has[l]
		}
		if fits {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// everywhere is the sum over all nodes.
func (s *stage) everywhere(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
	for _, node := range everybody {
		sum += value(s.scrape(t, node), name, labels...)
	}
	return sum
}

// losses is how often a node was declared lost, by the journals: never, unless this machine
// is too busy.
func (s *stage) losses(t *testing.T) float64 {
	t.Helper()
	n := 0
	for _, node := range everybody {
		n += strings.Count(s.do(t, node, "log", "--type", "member", "--node", node), "was declared lost")
	}
	return float64(n)
}

// counted: each new connection is accepted by one node, and said to be in a bucket of its
// own when nothing moves any more.
func (s *stage) counted(t *testing.T) {
	const asked = 40
	accepted := []string{"module=" + s.module, "verdict=accept", "reason=accept-new", "class=own"}
	packets := "orchestrator_filter_packets_total"
	eventually(t, "nobody has connections of others' parts", func() string {
		if n := s.everywhere(t, "orchestrator_share_moving_buckets"); n > 0 {
			return fmt.Sprint(n)
		}
		return ""
	})
	before := s.everywhere(t, packets, accepted...)
	for range asked {
		s.must(t, lab.Client, "curl", "-4", "--silent", "--fail", "--max-time", quickly, "--output", "/dev/null", "http://"+vip+"/")
	}
	if n := s.everywhere(t, packets, accepted...) - before; n != asked {
		t.Errorf("%v connections were counted, %d were made", n, asked)
	}
	for metric, want := range map[string]float64{
		"orchestrator_share_owned_buckets": 4096, "orchestrator_module_serving": 3, "orchestrator_share_agreed": 3,
		"orchestrator_filter_interface_info": 3, "orchestrator_build_info": 3, "orchestrator_heartbeat_losses_total": s.losses(t),
	} {
		if n := s.everywhere(t, metric); n != want {
			t.Errorf("%s is %v on all nodes together, want %v", metric, n, want)
		}
	}
	for metric, labels := range map[string][]string{
		"orchestrator_module_state": {"state=UP"}, "orchestrator_hook_duration_seconds": {"hook=start_both"},
		"orchestrator_heartbeat_peer_state": {"state=alive", "peer=n2"}, "orchestrator_resource_state": {"state=up"},
		"orchestrator_lease_remaining_seconds": nil, "orchestrator_plugin_state": {"plugin=ebpf", "state=running"},
		"orchestrator_journal_size_bytes": nil, "orchestrator_heartbeat_received_packets_total": nil,
		"orchestrator_share_table_changes_total": nil, "orchestrator_share_plan_steps_total": nil,
	} {
		if n := value(s.scrape(t, "n1"), metric, labels...); n <= 0 {
			t.Errorf("%s%v is %v", metric, labels, n)
		}
	}
	eventually(t, "a ping to the others was measured", func() string {
		if all := s.scrape(t, "n1"); len(all["orchestrator_gossip_round_trip_seconds"].GetMetric()) < 2 {
			return "not yet"
		}
		return ""
	})
}

// measuredDrain: what a drain changes, the metrics show.
func (s *stage) measuredDrain(t *testing.T, node string) {
	before := s.scrape(t, node)
	s.do(t, "n1", "drain", s.module, "--node", node)
	after := s.scrape(t, node)
	if n := value(after, "orchestrator_share_owned_buckets"); n != 0 || value(before, "orchestrator_share_owned_buckets") == 0 {
		t.Errorf("it owns %v buckets", n)
	}
	if value(after, "orchestrator_module_drained") != 1 || value(after, "orchestrator_module_serving") != 0 {
		t.Error("it does not say that it is drained")
	}
	changes, at := "orchestrator_share_table_changes_total", "orchestrator_share_last_change_timestamp_seconds"
	if value(after, changes) <= value(before, changes) || value(after, at) <= value(before, at) {
		t.Error("no change of the table was counted")
	}
	s.do(t, "n1", "undrain", s.module, "--node", node)
	s.whole(t, everybody...)
}

// scrapedFromAfar reads the metrics as Prometheus does, with a token from another node.
func (s *stage) scrapedFromAfar(t *testing.T) {
	home := s.Status().Nodes[0].Home
	token := strings.TrimSpace(s.do(t, "n2", "token", "--user", "prometheus"))
	url := "https://" + lab.NodeAddress(1).String() + ":9010/metrics"
	curl := func(more ...string) []string {
		return append([]string{"curl", "--silent", "--max-time", quickly, "--cacert", filepath.Join(home, "cluster", "authority.crt"), url}, more...)
	}
	if r := s.run(t, lab.Client, curl("--write-out", "%{http_code}")...); !strings.HasSuffix(r.out, "401") || strings.Contains(r.out, "orchestrator_") {
		t.Errorf("without a login: %s", r.text())
	}
	all := parseMetrics(t, s.must(t, lab.Client, curl("--fail", "--header", "Authorization: Bearer "+token)...))
	if value(all, "orchestrator_node_info", "node=n1") != 1 {
		t.Errorf("%d metrics, but nothing of n1", len(all))
	}
}
