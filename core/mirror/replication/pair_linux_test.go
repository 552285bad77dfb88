package replication

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
)

// node is one of a pair: a Replicator over real directories, with a host that does what the
// state machine would.
type node struct {
	t        testing.TB
	name     string
	dirs     []string
	id       link.Identity
	port     *link.Port
	r        *Replicator
	peer     *node
	via      *cable
	patience time.Duration // with until

	mu     sync.Mutex
	cond   *sync.Cond
	news   []string
	notes  []string
	copied core.Generation
	shared bool
	broken error
	done   map[core.ReplicaOrder][]error
}

// cable is the way from the secondary to the primary; it can be cut.
type cable struct {
	mu    sync.Mutex
	still sync.RWMutex // locked while nothing comes through, though it is not cut
	to    string
	cut   bool
	conns map[net.Conn]struct{}
	l     net.Listener
}

func newCable(t testing.TB, to string) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cable{to: to, conns: map[net.Conn]struct{}{}, l: l}
	t.Cleanup(func() { l.Close(); c.set(true) })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			c.join(near)
		}
	}()
	return c
}

func (c *cable) join(near net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	far, err := net.Dial("tcp", c.to)
	if c.cut || err != nil {
		near.Close()
		return
	}
	for _, p := range [][2]net.Conn{{near, far}, {far, near}} {
		c.conns[p[0]] = struct{}{}
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := p[0].Read(buf)
				if err == nil {
					c.still.RLock()
					_, err = p[1].Write(buf[:n])
					c.still.RUnlock()
				}
				if err != nil {
					p[0].Close()
					p[1].Close()
					return
				}
			}
		}()
	}
}

// set cuts the cable, with what is in it, or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	for conn := range c.conns {
		conn.Close()
	}
	clear(c.conns)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (n *node) News(news core.ReplicaNews, g core.Generation, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.t.Logf("%s: %s %s %s", n.name, news, g, reason)
	n.news = append(n.news, string(news))
	switch news {
	case core.ReplicaCopied:
		n.copied = g
	case core.ReplicaCopying, core.ReplicaLost:
		n.copied = core.Generation{}
	}
	n.cond.Broadcast()
}

func (n *node) Note(level, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.t.Logf("%s: %s: %s", n.name, level, text)
	n.notes = append(n.notes, text)
}

func (n *node) Broken(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.t.Logf("%s: broken: %s", n.name, err)
	n.broken = err
	n.cond.Broadcast()
}

func (n *node) Done(order core.ReplicaOrder, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done[order] = append(n.done[order], err)
	n.cond.Broadcast()
}

func (n *node) Shared() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shared
}

// until waits for a condition, with n.mu held.
func (n *node) until(what string, is func() bool) {
	n.t.Helper()
	timer := time.AfterFunc(n.patience+time.Second, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.cond.Broadcast()
	})
	defer timer.Stop()
	begin := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	for !is() {
		if time.Since(begin) > n.patience {
			n.t.Fatalf("%s: no %s", n.name, what)
		}
		n.cond.Wait()
	}
}

// eventually waits for a condition that nobody tells of.
func (n *node) eventually(what string, is func() bool) {
	n.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); !is(); <-tick.C {
		if time.Since(begin) > 20*time.Second {
			n.t.Fatalf("%s: no %s", n.name, what)
		}
	}
}

// order gives an order and waits for the answer.
func (n *node) order(o Order) error {
	n.t.Helper()
	n.mu.Lock()
	before := len(n.done[o.Replica])
	n.mu.Unlock()
	n.r.Order(o)
	n.until("answer", func() bool { return len(n.done[o.Replica]) > before })
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.done[o.Replica][before]
}

func (n *node) isCopied(g core.Generation) {
	n.t.Helper()
	n.until("complete copy", func() bool { return n.copied == g })
}

func (n *node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.copied, n.news = core.Generation{}, nil
}

// start makes the node's Replicator, as a daemon does.
func (n *node) start(change func(*Options)) {
	n.t.Helper()
	o := Options{
		Module: "m", Cluster: "c", Release: "test", Self: 1, Peer: 2, PeerName: n.peer.name, Port: n.port,
		Identity: func() link.Identity { return n.id }, Host: n,
		Addresses: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(n.via.l.Addr().String())} },
		Log:       slog.New(slog.NewTextHandler(n.t.Output(), nil)).With("node", n.name),
		Hold:      time.Second, Epoch: time.Second, PartSize: 8,
	}
	if n.name == "n2" {
		o.Self, o.Peer = 2, 1
	}
	for _, d := range n.dirs {
		o.Folders = append(o.Folders, Folder{Place: Place{d, "_behind"}, Name: filepath.Base(d)})
	}
	if change != nil {
		change(&o)
	}
	n.r = New(o)
}

// end closes the node's Replicator, if it has one.
func (n *node) end() {
	if n.r != nil {
		n.r.Close()
		n.r = nil
	}
}

// newPair makes two nodes with some folders each.
func newPair(t testing.TB, folders int) (a, b *node) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	ids := identities(t)
	nodes := [2]*node{}
	for i := range nodes {
		n := &node{t: t, name: fmt.Sprintf("n%d", i+1), id: ids[i], done: map[core.ReplicaOrder][]error{}, patience: 30 * time.Second}
		n.cond = sync.NewCond(&n.mu)
		n.port, err = link.Listen("127.0.0.1:0", func() link.Identity { return n.id }, slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", n.name))
		must(t, err)
		t.Cleanup(func() { n.port.Close() })
		for k := range folders {
			d := fmt.Sprintf("%s/n%d/f %d", top, i+1, k)
			must(t, os.MkdirAll(d, 0o755))
			n.dirs = append(n.dirs, d)
		}
		nodes[i] = n
	}
	a, b = nodes[0], nodes[1]
	a.peer, b.peer = b, a
	a.via, b.via = newCable(t, b.port.Address().String()), newCable(t, a.port.Address().String())
	for _, n := range nodes {
		n.start(nil)
		t.Cleanup(n.end)
	}
	return a, b
}

var generation = func(n uint64) core.Generation { return core.Generation{Number: n, Node: 1, Life: 1} }

// tree describes what is in a directory, for comparing.
func tree(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("bash", "-ec", `cd "$1"
		find . -mindepth 1 \( -type d -printf '%p d %m %U %G\n' -o -printf '%p %y %m %U %G %s %n %T@ %l\n' \) | sort
		find . -type f -print0 | sort -z | xargs -0 -r sha256sum
		getfattr -R -h -d -m - . 2>/dev/null | sort || true`, "bash", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// same fails unless both nodes' copies are the same.
func same(t testing.TB, a, b *node) {
	t.Helper()
	for k := range a.dirs {
		one, two := tree(t, a.dirs[k]+"_behind/data"), tree(t, b.dirs[k]+"_behind/data")
		if one == two {
			continue
		}
		x, y := strings.Split(one, "\n"), strings.Split(two, "\n")
		t.Errorf("folder %d differs:\n%s", k, difference(x, y))
	}
}

func difference(x, y []string) string {
	in := func(l string, list []string) bool {
		for _, o := range list {
			if o == l {
				return true
			}
		}
		return false
	}
	var out strings.Builder
	for _, l := range x {
		if !in(l, y) {
			fmt.Fprintln(&out, "<", l)
		}
	}
	for _, l := range y {
		if !in(l, x) {
			fmt.Fprintln(&out, ">", l)
		}
	}
	return out.String()
}

// run runs a script in a folder as applications see it.
func (n *node) run(folder int, script string) {
	n.t.Helper()
	if out, err := exec.Command("bash", "-ec", `cd "$1"; `+script, "bash", n.dirs[folder]).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v: %s", n.name, err, out)
	}
}
