package accept_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// Everyday programs as clients, in both modes and by both families; the filter is attached
// by tcx in one, by XDP in the other.
func TestDirected(t *testing.T)  { everything(t, "accdir", "vmac_directed", "tcx-in") }
func TestInvisible(t *testing.T) { everything(t, "accinv", "vmac_invisible", "xdp-native", native) }

func everything(t *testing.T, name, mode, how string, change ...func(*lab.Options)) {
	s := wide(t, name, mode, change...)
	s.filtered(t, how)
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Run("curl", func(t *testing.T) { s.curl(t, lab.Client, f) })
			t.Run("ping", func(t *testing.T) { s.ping(t, f) })
			t.Run("dig", func(t *testing.T) { s.dig(t, f) })
			t.Run("socat", func(t *testing.T) { s.socat(t, f) })
			t.Run("iperf3", func(t *testing.T) { s.iperf3(t, f) })
			t.Run("datagrams", func(t *testing.T) { s.datagrams(t, f) })
			t.Run("by identification", func(t *testing.T) { s.identified(t, f) })
			t.Run("explained", func(t *testing.T) { s.explained(t, f) })
			t.Run("narrow way", func(t *testing.T) { s.narrow(t, f) })
			t.Run("powers", func(t *testing.T) { s.powers(t, f) })
			t.Run("neighbours", func(t *testing.T) { s.neighbours(t, f, mode) })
		})
	}
	t.Run("moves", func(t *testing.T) { s.moves(t) })
	t.Run("troubles", func(t *testing.T) { s.troubles(t) })
}

// identified: by on_ipid, which is for IPv4 only, the datagrams of one socket meet several
// servers; by on_port they meet one.
func (s *stage) identified(t *testing.T, f family) {
	t.Helper()
	eventually(t, "a socket's datagrams meet whom they are to meet", func() string {
		report, err := load.Run(t.Context(), load.Config{
			Target: target(f.address, 81), UDP: true, Connections: 1, Interval: 10 * time.Millisecond, Duration: 700 * time.Millisecond,
			Namespace: s.ClientNamespace(),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.New.Twice() > 0 {
			t.Errorf("answered twice: %+v", report.New.Doubles)
		}
		if c := report.Connections; c.Broken > 0 || c.Requests < 10 || (c.Moved > 1) != (f.flag == "-4") { // a busy machine loses some, too
			return fmt.Sprintf("%+v", c)
		}
		return ""
	})
}

// explained: what explain says of a client is what becomes of it.
func (s *stage) explained(t *testing.T, f family) {
	t.Helper()
	client := lab.ClientAddress(1)
	if f.flag == "-6" {
		client = lab.ClientAddress6(1)
	}
	for port := 21001; port <= 21005; port++ {
		out := s.must(t, lab.Client, "curl", f.flag, "--silent", "--show-error", "--fail", "--max-time", quickly, "--interface", client.String(),
			"--local-port", fmt.Sprint(port), "--output", "/dev/null", "--dump-header", "-", f.url+"/")
		from := netip.AddrPortFrom(client, uint16(port))
		if told, node := s.told(t, from, target(f.address, 80), "tcp"), header(out, "X-Node"); told != node {
			t.Errorf("explain says that %s gets %s, but %s does", told, from, node)
		}
	}
}

// told is which node a client is to meet, by explain.
func (s *stage) told(t *testing.T, client, service netip.AddrPort, proto string) string {
	t.Helper()
	e := ask[struct{ Paths []struct{ Owner string } }](t, s, "n2", "explain", client.String(), "--address", service.String(), "--proto", proto)
	if len(e.Paths) != 1 {
		t.Fatalf("%s to %s is explained by %+v", client, service, e)
	}
	return e.Paths[0].Owner
}

// curl asks with a connection each.
func (s *stage) curl(t *testing.T, member string, f family) {
	t.Helper()
	var who []string
	for range 24 {
		out := s.must(t, member, "curl", f.flag, "--silent", "--show-error", "--fail", "--max-time", quickly,
			"--output", "/dev/null", "--dump-header", "-", f.url+"/")
		who = append(who, header(out, "X-Node"))
	}
	spread(t, "curl "+f.flag, who)
}

func header(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// ping is answered once, also when it comes in fragments or has IP options, from
// whatever address.
func (s *stage) ping(t *testing.T, f family) {
	t.Helper()
	if f.flag == "-4" {
		if r := s.run(t, lab.Client, "ping", "-4", "-R", "-c", "2", "-i", "0.05", "-W", quickly, f.address); r.code != 0 || strings.Contains(r.out, "DUP!") {
			t.Errorf("ping with the option to record its route:\n%s", r.text())
		}
	}
	for _, size := range []string{"56", "4000"} {
		for i := range 3 {
			source := lab.ClientAddress(i)
			if f.flag == "-6" {
				source = lab.ClientAddress6(i)
			}
			r := s.run(t, lab.Client, "ping", f.flag, "-I", source.String(), "-c", "4", "-i", "0.05", "-W", quickly, "-s", size, f.address)
			if r.code != 0 || !strings.Contains(r.out, " 4 received, 0% packet loss") || strings.Contains(r.out, "DUP!") || strings.Contains(r.out, "duplicates") {
				t.Errorf("ping of %s bytes from %s:\n%s", size, source, r.text())
			}
		}
	}
}

// dig asks a real name server.
func (s *stage) dig(t *testing.T, f family) {
	t.Helper()
	for _, how := range []string{"+notcp", "+tcp"} {
		var who []string
		for range 12 {
			out := s.must(t, lab.Client, "dig", f.flag, "@"+f.address, "who.farm", "TXT", "+short", "+tries=1", "+time="+quickly, how)
			who = append(who, strings.Trim(strings.TrimSpace(out), `"`))
		}
		spread(t, "dig "+how, who)
	}
}

// socat sends datagrams, small ones and such that need fragments.
func (s *stage) socat(t *testing.T, f family) {
	t.Helper()
	kind := map[string]string{"-4": "UDP4", "-6": "UDP6"}[f.flag]
	for _, size := range []int{10, 5000} {
		for range 6 {
			text := strings.Repeat("x", size)
			var out strings.Builder
			// Half-close waits for the answer, which is one datagram.
			err := lab.Exec(t.Context(), s.root, s.name, lab.Client,
				[]string{tool(t, "socat"), "-b", "65536", "-t", quickly, "-", fmt.Sprintf("%s:%s,readbytes=%d", kind, net.JoinHostPort(f.address, "80"), size+3)},
				lab.Stdio{In: strings.NewReader(text), Out: &out})
			node, echo, _ := strings.Cut(out.String(), "\n")
			if err != nil || echo != text || !strings.HasPrefix(node, "n") {
				t.Errorf("socat with %d bytes: %v, %d bytes came back, from %q", size, err, len(echo), node)
			}
		}
	}
}

// iperf3 moves data in both directions. Its connections must meet one server: the
// rule says on_addr.
func (s *stage) iperf3(t *testing.T, f family) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	said := make([]bytes.Buffer, len(everybody))
	var servers sync.WaitGroup
	for i, node := range everybody {
		servers.Go(func() { // ends with ctx
			_ = lab.Exec(ctx, s.root, s.name, node, []string{tool(t, "iperf3"), "--server", "--bind", f.address}, lab.Stdio{Out: &said[i], Err: &said[i]})
		})
	}
	defer func() {
		cancel()
		servers.Wait()
		for i, node := range everybody {
			if t.Failed() {
				t.Logf("iperf3 of %s:\n%s", node, said[i].String())
			}
		}
	}()
	for _, node := range everybody {
		eventually(t, "iperf3 listens on "+node, func() string {
			if out := s.must(t, node, "ss", "-Hltn", "sport", "=", ":5201"); out == "" {
				return "not yet"
			}
			return ""
		})
	}
	for _, args := range [][]string{{}, {"--reverse"}, {"--udp", "--bitrate", "20M"}, {"--udp", "--bitrate", "20M", "--reverse"}} {
		why := s.transfer(t, f, args)
		if why != "" {
			// The last client's server may not have come to an end.
			t.Logf("iperf3 %v: %s; once more", args, why)
			why = s.transfer(t, f, args)
		}
		if why != "" {
			t.Errorf("iperf3 %v: %s", args, why)
		}
	}
}

// transfer answers the empty text when enough has come.
func (s *stage) transfer(t *testing.T, f family, args []string) (why string) {
	t.Helper()
	r := s.run(t, lab.Client, append([]string{"iperf3", f.flag, "--client", f.address, "--bytes", "2M", "--json", "--connect-timeout", "3000"}, args...)...)
	type sum struct {
		Bytes       float64
		LostPercent float64 `json:"lost_percent"`
	}
	var answer struct {
		Error string
		End   struct {
			Sum      sum
			Received sum `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(r.out), &answer); err != nil || answer.Error != "" || r.code != 0 {
		return fmt.Sprintf("%v %s %s", err, answer.Error, r.err)
	}
	// How much comes through a busy machine says nothing of the farm.
	if bytes := max(answer.End.Sum.Bytes, answer.End.Received.Bytes); bytes < 1<<18 || answer.End.Sum.LostPercent > 30 {
		return fmt.Sprintf("%.0f bytes, %.1f %% lost", bytes, answer.End.Sum.LostPercent)
	}
	return ""
}

// datagrams: each is answered once, small and in fragments.
func (s *stage) datagrams(t *testing.T, f family) {
	t.Helper()
	c := &crowd{t: t, all: map[string]*traffic{
		"small datagrams": s.clientOf(t, f.address, load.Config{UDP: true, Rate: rate, Connections: 20}),
		"fragments":       s.clientOf(t, f.address, load.Config{UDP: true, Size: 4000, Rate: rate, Connections: 20}),
	}}
	c.mark()
	c.watch(500 * time.Millisecond)
	for name, one := range c.all {
		if now, _ := one.now(); len(now.New.Nodes) != len(everybody) {
			one.fault(t, c.from[name], "%s are answered by %v", name, now.New.Nodes)
		}
	}
	c.flawless(f.name)
	c.stop()
}

// narrow asks from behind a router that lets only small packets through: its "too
// big" must find the server that has the connection, or the page never comes.
func (s *stage) narrow(t *testing.T, f family) {
	t.Helper()
	if size := len(s.must(t, lab.Client, "curl", f.flag, "--silent", "--max-time", quickly, f.url+"/")); size < 1500 {
		t.Fatalf("a page of %d bytes proves nothing", size)
	}
	s.curl(t, lab.Far, f)
	for _, node := range everybody {
		routes := s.must(t, node, "ip", f.flag, "route", "get", lab.FarAddress(f.flag == "-6").String())
		if !regexp.MustCompile(fmt.Sprintf(`\bmtu %d\b`, lab.FarMTU)).MatchString(routes) {
			t.Errorf("%s has not learnt the path's MTU: %s", node, routes)
		}
	}
}

// powers: n1 has three times the share of n2, n3 has none.
func (s *stage) powers(t *testing.T, f family) {
	t.Helper()
	eventually(t, "the servers have shares as their powers are, 3, 1 and 0", func() string {
		n := s.burst(t, f.address, 81).New
		if n.Nodes["n3"] > 0 {
			t.Errorf("n3, without power, answers: %+v", n)
		}
		if share := float64(n.Nodes["n1"]) / float64(n.OK); n.Failed > 0 || share < 0.65 || share > 0.85 { // a busy machine fails some, too
			return describe(n)
		}
		return ""
	})
}

// burst makes 400 connections and answers who took them.
func (s *stage) burst(t *testing.T, address string, port uint16) load.Report {
	t.Helper()
	report, err := load.Run(t.Context(), load.Config{
		Target: target(address, port), Rate: 800, Duration: 500 * time.Millisecond, Timeout: 900 * time.Millisecond,
		Namespace: s.ClientNamespace(), Doubles: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.New.Twice() > 0 {
		t.Errorf("answered twice: %+v", report.New.Doubles)
	}
	return report
}

// neighbours: the client knows the address by a server's MAC address in directed
// mode, and by the virtual one, and never another, in invisible mode.
func (s *stage) neighbours(t *testing.T, f family, mode string) {
	t.Helper()
	macs := map[string]bool{}
	for range 5 {
		s.must(t, lab.Client, "ip", f.flag, "neigh", "flush", "dev", "eth0")
		s.must(t, lab.Client, "ping", f.flag, "-c", "1", "-W", quickly, f.address)
		out := s.must(t, lab.Client, "ip", f.flag, "neigh", "show", f.address, "dev", "eth0")
		if _, rest, ok := strings.Cut(out, "lladdr "); ok {
			macs[strings.Fields(rest)[0]] = true
		}
	}
	if len(macs) != 1 {
		t.Errorf("%s is known by %d MAC addresses: %v", f.address, len(macs), macs)
	}
	// To a single node: the client's kernel makes sure that what it knows still holds. By
	// IPv6 it asks from its link-local address, for which another server may answer.
	s.must(t, lab.Client, "ip", f.flag, "neigh", "change", f.address, "dev", "eth0", "nud", "probe")
	eventually(t, "the client's neighbour entry is confirmed", func() string {
		out := s.must(t, lab.Client, "ip", f.flag, "neigh", "show", f.address, "dev", "eth0")
		if !strings.Contains(out, "REACHABLE") {
			return out
		}
		_, rest, _ := strings.Cut(out, "lladdr ")
		macs[strings.Fields(rest)[0]] = true
		return ""
	})
	for mac := range macs {
		hardware, err := net.ParseMAC(mac)
		server := err == nil && strings.HasPrefix(mac, "02:00:0a:4d:00:0") && hardware[5] <= 3
		if err != nil || server != (mode == "vmac_directed") {
			t.Errorf("%s is known as %s", f.address, mac)
		}
	}
	if out := s.must(t, lab.Client, "ip", f.flag, "neigh", "show", "nud", "failed"); strings.Contains(out, f.address) {
		t.Errorf("the client has lost %s: %s", f.address, out)
	}
}
