package heartbeat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// nodeEnv makes this test binary a node instead of a test.
const nodeEnv = "HEARTBEAT_TEST_NODE"

func TestMain(m *testing.M) {
	if v := os.Getenv(nodeEnv); v != "" {
		if err := nodeMain(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// nodeMain runs one node: "id incarnation timeout-in-ms". It writes events and answers as
// JSON lines and obeys lines on its standard input.
func nodeMain(v string) error {
	var id, incarnation, timeout int
	if _, err := fmt.Sscan(v, &id, &incarnation, &timeout); err != nil {
		return err
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(l line) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(l)
	}
	events := make(chan Event, 1000)
	go func() {
		for e := range events {
			say(line{Event: &e})
		}
	}()
	h, err := Start(Options{Self: core.NodeID(id), Incarnation: uint64(incarnation), Key: bytes.Repeat([]byte{7}, keyLen),
		Interval: 20 * time.Millisecond, Timeout: time.Duration(timeout) * time.Millisecond, Networks: labNetworks(id),
		Events: func(e Event) { events <- e }})
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch verb, arg, _ := strings.Cut(in.Text(), " "); verb {
		case "digest":
			err = h.SetDigest([]byte(arg))
		case "status":
			say(line{Status: h.Status()})
		case "close":
			err = h.Close()
		case "shrink":
			err = h.SetNetworks(labNetworks(id)[:1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line is what a node says.
type line struct {
	Event  *Event       `json:",omitempty"`
	Status []PeerStatus `json:",omitempty"`
}

// labNetworks are two networks, one IPv4 and one IPv6, of three nodes.
func labNetworks(self int) []Network {
	nets := []Network{{Name: "default", Peers: map[core.NodeID]netip.AddrPort{}}, {Name: "backup", Peers: map[core.NodeID]netip.AddrPort{}}}
	for id := 1; id <= 3; id++ {
		for i, pattern := range []string{"10.77.0.%d:4800", "[fd77::%d]:4800"} {
			a := netip.MustParseAddrPort(fmt.Sprintf(pattern, id))
			nets[i].Peers[core.NodeID(id)] = a
			if id == self {
				nets[i].Local = a
			}
		}
	}
	return nets
}

// lab is three namespaces on two bridges in a fourth.
type lab struct {
	t       testing.TB
	prefix  string
	timeout int // ms
}

func newLab(t testing.TB, timeout int) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	l := &lab{t, "hb" + strconv.Itoa(os.Getpid()) + "-", timeout}
	sw := l.prefix + "sw"
	l.namespace(sw)
	for b := range 2 {
		l.ip("-n", sw, "link", "add", fmt.Sprint("br", b), "type", "bridge", "mcast_snooping", "0")
		l.ip("-n", sw, "link", "set", fmt.Sprint("br", b), "up")
	}
	for id := 1; id <= 3; id++ {
		ns := l.prefix + strconv.Itoa(id)
		l.namespace(ns)
		for b, addr := range []string{fmt.Sprintf("10.77.0.%d/24", id), fmt.Sprintf("fd77::%d/64", id)} {
			port, dev := fmt.Sprintf("p%d%d", id, b), fmt.Sprint("eth", b)
			l.ip("-n", sw, "link", "add", port, "type", "veth", "peer", "name", dev, "netns", ns)
			l.ip("-n", sw, "link", "set", port, "master", fmt.Sprint("br", b), "up")
			if b == 1 {
				l.ip("-n", ns, "addr", "add", addr, "dev", dev, "nodad")
			} else {
				l.ip("-n", ns, "addr", "add", addr, "dev", dev)
			}
			l.ip("-n", ns, "link", "set", dev, "up")
		}
	}
	return l
}

func (l *lab) namespace(name string) {
	l.t.Helper()
	l.ip("netns", "add", name)
	l.t.Cleanup(func() { l.ip("netns", "del", name) })
}

func (l *lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// cable sets a node's switch port of a network up or down.
func (l *lab) cable(id, network int, state string) {
	l.t.Helper()
	l.ip("-n", l.prefix+"sw", "link", "set", fmt.Sprintf("p%d%d", id, network), state)
}

// labNode is a node's process.
type labNode struct {
	t    testing.TB
	id   int
	cmd  *exec.Cmd
	send func(string)

	mu    sync.Mutex
	lines []line
	more  chan struct{}
	mark  int
}

func (l *lab) start(id, incarnation int) *labNode {
	l.t.Helper()
	n := &labNode{t: l.t, id: id, more: make(chan struct{}, 1)}
	n.cmd = exec.Command("ip", "netns", "exec", l.prefix+strconv.Itoa(id), os.Args[0])
	n.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d", nodeEnv, id, incarnation, l.timeout))
	n.cmd.Stderr = os.Stderr
	stdin, err := n.cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	n.send = func(s string) { fmt.Fprintln(stdin, s) }
	go func() {
		for d := json.NewDecoder(stdout); ; {
			var got line
			if d.Decode(&got) != nil {
				return
			}
			n.mu.Lock()
			n.lines = append(n.lines, got)
			n.mu.Unlock()
			select {
			case n.more <- struct{}{}:
			default:
			}
		}
	}()
	l.t.Cleanup(func() { n.kill() })
	return n
}

func (n *labNode) kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
}

// forget sets the mark: only what comes later counts.
func (n *labNode) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mark = len(n.lines)
}

// await waits for a line that came after the mark.
func (n *labNode) await(what string, match func(line) bool) line {
	n.t.Helper()
	return n.ask("", what, match)
}

// ask is await that sends an order every 50 ms meanwhile.
func (n *labNode) ask(order, what string, match func(line) bool) line {
	n.t.Helper()
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for seen := n.mark; ; {
		n.mu.Lock()
		fresh, all := n.lines[seen:], n.lines[n.mark:]
		n.mu.Unlock()
		seen += len(fresh)
		for _, l := range fresh {
			if match(l) {
				return l
			}
		}
		select {
		case <-n.more:
		case <-again.C:
			if order != "" {
				n.send(order)
			}
		case <-deadline:
			text, _ := json.Marshal(all)
			n.t.Fatalf("node %d never said %s; it said %s", n.id, what, text)
		}
	}
}

// event waits for an event about a node that says all the texts.
func (n *labNode) event(k Kind, about core.NodeID, texts ...string) Event {
	n.t.Helper()
	l := n.await(fmt.Sprintf("%s %d %q", k, about, texts), func(l line) bool {
		if l.Event == nil || l.Event.Kind != k || l.Event.Node != about {
			return false
		}
		for _, text := range texts {
			if !strings.Contains(l.Event.Evidence, text) {
				return false
			}
		}
		return true
	})
	return *l.Event
}

// signal sends a signal to the node's process.
func (n *labNode) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

func (n *labNode) nodeID() core.NodeID { return core.NodeID(n.id) }

// loopback is a network of this node alone, on a free port.
func loopback(t *testing.T) []Network {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return []Network{{Name: "default", Local: at}}
}
