package pluginhost

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// BenchmarkThousandChecks watches 1,000 TCP ports at 1 s intervals through one
// plugin process and reports what that costs: per cent of one core in the
// plugin, and in the host (which also plays the servers), and the plugin's
// memory. Run it with -benchtime=1x; one run takes half a minute.
func BenchmarkThousandChecks(b *testing.B) {
	h, _ := newHost(b, table())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var served atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Add(1)
			_ = c.Close()
		}
	}()
	settings := json.RawMessage(fmt.Sprintf(`{"addr":"127.0.0.1","port":%d}`, l.Addr().(*net.TCPAddr).Port))
	up := make(chan struct{}, 1000)
	for range 1000 {
		go func() {
			told := false
			_ = h.Watch(b.Context(), "tcp", sdk.WatchOptions{Settings: settings, Interval: time.Second}, func(r sdk.Result) {
				if !told && r.Status == sdk.StatusUp {
					told = true
					up <- struct{}{}
				}
			})
		}()
	}
	for range 1000 {
		<-up
	}
	pid := h.List()[1].PID
	<-time.After(2 * time.Second)
	for b.Loop() {
		const span = 20 * time.Second
		checks, plugin, host := served.Load(), cpu(b, pid), cpu(b, os.Getpid())
		<-time.After(span)
		percent := func(from, to float64) float64 { return 100 * (to - from) / span.Seconds() }
		b.ReportMetric(float64(served.Load()-checks)/span.Seconds(), "checks/s")
		b.ReportMetric(percent(plugin, cpu(b, pid)), "%core-plugin")
		b.ReportMetric(percent(host, cpu(b, os.Getpid())), "%core-host")
	}
	b.ReportMetric(rss(b, pid), "MiB-plugin")
}

// BenchmarkPluginStart measures the time from the wish to the first answer,
// and the memory of a plugin process at rest.
func BenchmarkPluginStart(b *testing.B) {
	memory := 0.0
	for b.Loop() {
		h, err := New(Options{Plugins: table()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.Describe(b.Context(), sdk.KindChecker, "tcp"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		memory = rss(b, h.List()[1].PID)
		h.Close()
		b.StartTimer()
	}
	b.ReportMetric(memory, "MiB-plugin")
}

func cpu(b *testing.B, pid int) float64 {
	b.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	s, err := p.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return s.CPUTime()
}

// rss is the resident memory in MiB, and in the log what of it is private.
func rss(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "Rss") {
			b.Log(line)
		}
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kib); n == 1 {
			defer func() { b.Logf("%.1f MiB resident", kib/1024) }()
		}
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	s, err := p.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return float64(s.ResidentMemory()) / (1 << 20)
}
