package ebpf

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestInvisibleFarm: as TestFarm, in invisible mode and both families: connections
// spread, and a third node that joins in the steps of a plan breaks none and loses no
// new one, whoever has which of the tables.
func TestInvisibleFarm(t *testing.T) {
	for _, how := range attachOrder("") {
		t.Run(how, func(t *testing.T) { newFarm(t, how, invisibleConfig()).joinInvisible() })
	}
}

func (f *farm) joinInvisible() {
	settled := rows(func(two, _ uint8) uint32 { return rowOf(two) })
	move := func(gets bool) []sdk.Row {
		return rows(func(two, three uint8) uint32 {
			switch {
			case two == three:
				return rowOf(two)
			case gets:
				return rowOf(three, two)
			}
			return rowOf(two, three)
		})
	}
	steps := []struct {
		name  string
		table sdk.FilterTable
	}{
		{"settled", sdk.FilterTable{Epoch: 1, Agreed: true, Groups: map[string][]sdk.Row{"http": settled}}},
		{"prepare", sdk.FilterTable{Epoch: 2, Moving: true, Groups: map[string][]sdk.Row{"http": move(false)}}},
		{"handing", sdk.FilterTable{Epoch: 3, Moving: true, Groups: map[string][]sdk.Row{"http": move(true)}}},
		{"commit", sdk.FilterTable{Epoch: 4, Groups: map[string][]sdk.Row{"http": move(true)}}},
		{"agreed", sdk.FilterTable{Epoch: 4, Agreed: true, Groups: map[string][]sdk.Row{"http": move(true)}}},
	}
	var visits []*visit
	dial := func() {
		f.t.Helper()
		visits = append(visits, f.dialTo(vip), f.dialTo(vip6))
	}
	for _, step := range steps {
		for n := 1; n <= farmNodes; n++ {
			f.install(n, step.table)
			if step.name == "settled" {
				continue
			}
			for _, v := range visits {
				if got := v.ask(f.t); got != v.node {
					f.t.Fatalf("%s on %d nodes: node %d answers a connection of node %d", step.name, n, got, v.node)
				}
			}
			dial()
			for range 6 * int(step.table.Epoch/3) { // enough for some to be in a bucket that moves
				dial()
			}
		}
		for step.name == "settled" && len(visits) < 60 {
			dial()
		}
	}
	shares := map[int]int{}
	for _, v := range visits {
		shares[v.node]++
	}
	f.t.Logf("%d connections kept, by node: %v", len(visits), shares)
	if shares[1] == 0 || shares[2] == 0 {
		f.t.Errorf("connections by node: %v", shares)
	}
	if retried := f.counter("web/forward-handover"); retried == 0 {
		f.t.Error("nothing was handed over")
	}
}

// counter adds up a counter of all nodes.
func (f *farm) counter(name string) (sum uint64) {
	f.t.Helper()
	for n := 1; n <= farmNodes; n++ {
		s, err := f.filter[n].State(context.Background())
		check0(f.t, err)
		sum += s.Counters[name]
	}
	return sum
}

// TestClients: programs that people use find the address in both modes and families,
// get one answer each, and are told the Ethernet address that the mode promises.
func TestClients(t *testing.T) {
	for name, config := range map[string]func() sdk.FilterConfig{"directed": webConfig, "invisible": invisibleConfig} {
		for _, how := range []string{howNative, howTCX} {
			t.Run(name+"/"+how, func(t *testing.T) { newFarm(t, how, config()).clients() })
		}
	}
}

func (f *farm) clients() {
	spread := make([]sdk.Row, len(rowsOf(0)))
	for b := range spread {
		spread[b] = sdk.Row(rowOf(uint8(b%farmNodes + 1)))
	}
	for n := 1; n <= farmNodes; n++ {
		f.serveHTTP(n)
		f.table(n, spread)
	}
	promised := func(family int) (list []string) {
		if i := f.config.Interfaces[0]; !i.Directed {
			return []string{macText(i.MACs[family])}
		}
		for n := uint8(1); n <= farmNodes; n++ {
			list = append(list, macText(macOf(n)))
		}
		return list
	}
	told := func(out string, family int) bool {
		return slices.ContainsFunc(promised(family), func(mac string) bool { return strings.Contains(strings.ToLower(out), mac) })
	}
	// arping shows who sent the frame, and that never is the virtual address.
	if out := f.run(f.client, "arping", "-c1", "-I", "eth0", vip); told(out, 0) != f.config.Interfaces[0].Directed {
		f.t.Errorf("arping is told\n%s, want one of %v", out, promised(0))
	}
	if out := f.run(f.client, "ndisc6", "-1", vip6, "eth0"); !told(out, 1) {
		f.t.Errorf("ndisc6 is told\n%s, want one of %v", out, promised(1))
	}
	f.duplicates(told, promised)
	for _, address := range []string{vip, vip6} {
		if out := f.run(f.client, "ping", "-c3", "-i0.2", "-W5", address); !strings.Contains(out, "3 received") || strings.Contains(out, "DUP") {
			f.t.Errorf("ping %s:\n%s", address, out)
		}
		nodes := map[string]bool{}
		for range 12 {
			nodes[f.run(f.client, "curl", "-sS", "--max-time", "10", "http://"+net.JoinHostPort(address, fmt.Sprint(openPort)))] = true
		}
		if len(nodes) < 2 {
			f.t.Errorf("%s: 12 connections went to %v", address, nodes)
		}
	}
	// What the client's kernel has learned meanwhile, by refreshing too, is the same.
	for family, args := range [][]string{{"-4"}, {"-6"}} {
		out := f.run(f.client, "ip", append(args, "neigh", "show", "dev", "eth0", []string{vip, vip6}[family])...)
		if !told(out, family) {
			f.t.Errorf("the client has\n%s, want one of %v", out, promised(family))
		}
	}
	// A kernel that answers a client it does not know yet asks in the name of the
	// address.
	for _, reason := range []string{"web/arp-mended", "web/ndp-mended"} {
		if f.counter(reason) == 0 {
			f.t.Errorf("%s is 0", reason)
		}
	}
	if n := f.counter("web/drop-stranger"); n != 0 {
		f.t.Errorf("%d times a node was taken for a stranger", n)
	}
}

// duplicates: who wants an address for himself is told that it is taken (RFC 5227, RFC 4862).
func (f *farm) duplicates(told func(string, int) bool, promised func(int) []string) {
	f.t.Helper()
	if out := f.run(f.client, "arping", "-0", "-c1", "-I", "eth0", vip); told(out, 0) != f.config.Interfaces[0].Directed {
		f.t.Errorf("a probe by arping is told\n%s, want one of %v", out, promised(0))
	}
	f.run(f.client, "ip", "address", "add", vip6+"/128", "dev", "eth0")
	eventually(f.t, "the client finds that it has a duplicate address", func() bool {
		return strings.Contains(f.run(f.client, "ip", "address", "show", "dev", "eth0"), "dadfailed")
	})
	f.run(f.client, "ip", "address", "del", vip6+"/128", "dev", "eth0")
}

// run runs a program in a namespace; it must end well.
func (f *farm) run(at *space, name string, args ...string) (out string) {
	f.t.Helper()
	at.do(f.t, func() {
		b, err := exec.Command(name, args...).CombinedOutput()
		out = string(b)
		if err != nil {
			f.t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, out, f.counters())
		}
	})
	return out
}

// counters tells what the nodes have counted.
func (f *farm) counters() string {
	var b strings.Builder
	for n := 1; n <= farmNodes; n++ {
		s, err := f.filter[n].State(context.Background())
		fmt.Fprintln(&b, n, s.Counters, err)
	}
	return b.String()
}

// serveHTTP answers every request with the node's number.
func (f *farm) serveHTTP(n int) {
	f.t.Helper()
	f.nodes[n].do(f.t, func() {
		l, err := net.Listen("tcp", fmt.Sprint(":", openPort))
		check0(f.t, err)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, n) })}
		f.t.Cleanup(func() { server.Close() })
		go server.Serve(l) //nolint:errcheck // it always ends with an error
	})
}
