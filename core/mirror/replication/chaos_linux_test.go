package replication

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
)

// cluster does for two Replicators what the state machines do.
type cluster struct {
	t     *testing.T
	rng   *rand.Rand
	nodes [2]*node
	power map[*node]*powered
	prim  int
	gen   uint64

	mu         sync.Mutex
	promotable bool // the secondary, in the primary's generation
	acked      map[string]uint64
	promoted   int
	joined     int
}

// settle notes that both say that the copy is complete; called with each piece of news.
func (c *cluster) settle() {
	a, b := c.nodes[0], c.nodes[1]
	a.mu.Lock()
	defer a.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	p, s := c.nodes[c.prim], c.nodes[1-c.prim]
	if p.copied != (core.Generation{}) && p.copied == s.copied && p.copied == generation(c.gen) && !p.shared {
		p.shared, c.promotable = true, true
		c.joined++
	}
	if n := len(s.news); n > 0 && s.news[n-1] == string(core.ReplicaCopying) {
		c.promotable = false
	}
}

// news is n.News of the pair.
type witness struct {
	*node
	c *cluster
}

func (w witness) News(news core.ReplicaNews, g core.Generation, reason string) {
	w.node.News(news, g, reason)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.settle()
}

func pause(d time.Duration) { <-time.After(d) }

// crash ends a node as kill -9 does: nothing is closed in order.
func (n *node) crash() {
	r := n.r
	if s := r.serves(); s != nil {
		for _, m := range s.mounts {
			must(n.t, m.Abort())
		}
		if sess := s.current(); sess != nil {
			sess.sender.Close()
		}
	}
	if f := r.follows(); f != nil {
		f.cancel()
	}
	n.via.set(true)
	n.peer.via.set(true)
	if s := r.serves(); s != nil {
		s.letGo()
		for _, m := range s.mounts {
			_ = m.Stop() // waits until it has gone
		}
		s.mounts, s.copies.records = nil, nil // nothing more is stored
	}
	n.end()
	n.via.set(false)
	n.peer.via.set(false)
}

// restart ends a node, its power with it if it has a disk of its own, and starts it again.
func (c *cluster) restart(n *node) { c.restartAll(n) }

// restartAll does so with several at the same moment.
func (c *cluster) restartAll(nodes ...*node) {
	cut := len(c.power) > 0 && c.rng.IntN(3) > 0
	if cut {
		for _, n := range nodes {
			c.t.Logf("the power of %s goes", n.name)
			c.power[n].cut()
		}
	}
	for _, n := range nodes {
		n.crash()
	}
	for _, n := range nodes {
		if cut {
			c.power[n].restore()
		}
		c.boot(n)
	}
}

// boot starts a node's Replicator.
func (c *cluster) boot(n *node) {
	n.forget()
	n.mu.Lock()
	n.shared = false
	n.mu.Unlock()
	n.start(func(o *Options) { o.Host = witness{n, c} })
}

// alone chooses the primary.
func (c *cluster) alone() {
	c.mu.Lock()
	c.gen++
	c.promotable = false
	p := c.nodes[c.prim]
	p.mu.Lock()
	p.shared, p.copied = false, core.Generation{}
	p.mu.Unlock()
	g := generation(c.gen)
	c.mu.Unlock()
	p.r.Alone(g)
}

// takeOver crashes the primary, and lets the other take over if it may.
func (c *cluster) takeOver() {
	p, s := c.nodes[c.prim], c.nodes[1-c.prim]
	c.restart(p)
	c.mu.Lock()
	may := c.promotable
	c.gen++
	c.promotable = false
	if may {
		c.prim = 1 - c.prim
		c.promoted++
	}
	g := generation(c.gen)
	c.mu.Unlock()
	if !may {
		must(c.t, p.order(Order{Replica: core.ReplicatePrim, Data: g}))
		return
	}
	s.forget()
	must(c.t, s.order(Order{Replica: core.ReplicatePrim, Data: g}))
	c.check(s)
	must(c.t, p.order(Order{Replica: core.ReplicateSecond}))
}

// blackOut crashes both; the primary serves again.
func (c *cluster) blackOut() {
	p, s := c.nodes[c.prim], c.nodes[1-c.prim]
	c.restartAll(p, s)
	c.mu.Lock()
	c.gen++
	c.promotable = false
	g := generation(c.gen)
	c.mu.Unlock()
	must(c.t, p.order(Order{Replica: core.ReplicatePrim, Data: g}))
	c.check(p)
	must(c.t, s.order(Order{Replica: core.ReplicateSecond}))
}

// split lets both go on without the other, if they may, and then the former primary follow.
func (c *cluster) split() {
	p, s := c.nodes[c.prim], c.nodes[1-c.prim]
	s.via.set(true)
	c.mu.Lock()
	may := c.promotable
	c.mu.Unlock()
	c.alone()
	if !may {
		s.via.set(false)
		return
	}
	c.mu.Lock()
	c.gen++
	g := generation(c.gen)
	c.mu.Unlock()
	s.forget()
	must(c.t, s.order(Order{Replica: core.ReplicatePrim, Data: g}))
	c.mu.Lock()
	c.prim = 1 - c.prim
	clear(c.acked) // what only the loser acknowledges is set aside
	c.mu.Unlock()
	for range 30 {
		change(c.rng, p.dirs[0]+"/noise0")
	}
	pause(time.Duration(c.rng.IntN(300)) * time.Millisecond)
	s.via.set(false)
	must(c.t, p.order(Order{Replica: core.ReplicateStop}))
	p.forget()
	must(c.t, p.order(Order{Replica: core.ReplicateSecond}))
}

// check fails unless a node has all that was acknowledged.
func (c *cluster) check(n *node) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, value := range c.acked {
		b, err := os.ReadFile(filepath.Join(n.dirs[0], name))
		if err != nil || len(b) < 8 || binary.BigEndian.Uint64(b) < value {
			c.t.Errorf("%s: %s holds %x (%v), and %d was acknowledged", n.name, name, b, err, value)
		}
	}
}

// write is a client: it counts in a file, and notes what it was told is durable.
func (c *cluster) write(stop chan struct{}, name string) {
	for value := uint64(1); ; value++ {
		select {
		case <-stop:
			return
		default:
		}
		c.mu.Lock()
		dir := c.nodes[c.prim].dirs[0]
		c.mu.Unlock()
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) != nil || st.Type != 0x65735546 {
			pause(time.Millisecond)
			continue
		}
		// Not os.OpenFile: the runtime would ask to be told of events of the file without
		// giving up its thread, which this process, whose mount it is, needs to answer.
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
		if err != nil {
			pause(time.Millisecond)
			continue
		}
		if unix.Fstatfs(fd, &st) != nil || st.Type != 0x65735546 {
			unix.Close(fd) // the mount went between
			os.Remove(filepath.Join(dir, name))
			continue
		}
		_, err = unix.Pwrite(fd, binary.BigEndian.AppendUint64(nil, value), 0)
		if err == nil {
			err = unix.Fsync(fd)
		}
		if err == nil {
			c.mu.Lock()
			c.acked[name] = value
			c.mu.Unlock()
		}
		unix.Close(fd)
	}
}

// noise changes names and files of every kind in its own directory.
func (c *cluster) noise(stop chan struct{}, w int) {
	rng := rand.New(rand.NewPCG(uint64(w), 77))
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(3000)) * time.Microsecond):
		}
		c.mu.Lock()
		top := c.nodes[c.prim].dirs[0]
		c.mu.Unlock()
		var st unix.Statfs_t
		if unix.Statfs(top, &st) != nil || st.Type != 0x65735546 {
			continue
		}
		fd, err := unix.Open(top, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if unix.Fstatfs(fd, &st) == nil && st.Type == 0x65735546 {
			change(rng, fmt.Sprintf("/proc/self/fd/%d/noise%d", fd, w))
		}
		unix.Close(fd)
	}
}

// change does something; what fails fails.
func change(rng *rand.Rand, dir string) {
	name := func() string { return fmt.Sprintf("%s/d%d/f%d", dir, rng.IntN(3), rng.IntN(8)) }
	sub := func() string { return fmt.Sprintf("%s/d%d", dir, rng.IntN(3)) }
	os.MkdirAll(sub(), 0o755)
	switch rng.IntN(16) {
	case 0, 1, 2, 3:
		data := make([]byte, rng.IntN(30000))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		if fd, err := unix.Open(name(), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644); err == nil {
			unix.Pwrite(fd, data, rng.Int64N(3<<20))
			unix.Close(fd)
		}
	case 4, 5:
		os.Rename(name(), name())
	case 6:
		os.Rename(sub(), sub()+"x")
	case 7:
		os.Rename(sub()+"x", sub())
	case 8:
		os.Link(name(), name())
	case 9:
		os.Remove(name())
	case 10:
		os.Truncate(name(), rng.Int64N(2<<20))
	case 11:
		os.Symlink(fmt.Sprint(rng.Uint32()), name())
	case 12:
		os.Chmod(name(), os.FileMode(rng.IntN(0o1000)))
	case 13:
		unix.Setxattr(name(), "user.x", []byte(fmt.Sprint(rng.Uint32())), 0)
	case 14:
		os.RemoveAll(sub())
	case 15:
		unix.Renameat2(unix.AT_FDCWD, name(), unix.AT_FDCWD, name(), unix.RENAME_EXCHANGE)
	}
}

// Cables are cut, nodes crash and lose their power, while programs write. Who takes over has
// all that was acknowledged; in the end both copies are the same.
func TestCutsAndCrashes(t *testing.T) {
	for seed := range uint64(envOr("SEEDS", 2)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { chaos(t, seed, 10) })
	}
}

// envOr reads a number from the environment: SEEDS=50 looks further.
func envOr(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// settled waits until the secondary has all that the primary did.
func settled(t testing.TB, p *node) {
	t.Helper()
	s := p.r.serves()
	must(t, s.epoch(s.current()))
}

func chaos(t *testing.T, seed uint64, events int) {
	a, b := newPair(t, 1)
	c := &cluster{t: t, rng: rand.New(rand.NewPCG(seed, 3)), nodes: [2]*node{a, b}, gen: 1, acked: map[string]uint64{}}
	c.restartAll(a, b)
	c.power = map[*node]*powered{}
	for _, n := range c.nodes {
		c.power[n] = onItsOwnDisk(t, n, 1024)
	}
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for w := range 3 {
		clients.Go(func() { c.write(stop, fmt.Sprintf("count%d", w)) })
		clients.Go(func() { c.noise(stop, w) })
	}
	for range events {
		pause(time.Duration(c.rng.IntN(800)) * time.Millisecond)
		p, s := c.nodes[c.prim], c.nodes[1-c.prim]
		switch c.rng.IntN(7) {
		case 0, 1:
			t.Log("cut")
			s.via.set(true)
			pause(time.Duration(c.rng.IntN(300)) * time.Millisecond)
			c.alone()
			s.via.set(false)
		case 2:
			t.Log("cut for a moment")
			s.via.set(true)
			s.via.set(false)
		case 3:
			t.Logf("crash of the secondary %s", s.name)
			c.restart(s)
			c.alone()
			must(t, s.order(Order{Replica: core.ReplicateSecond}))
		case 5:
			t.Logf("split: %s and %s", p.name, s.name)
			c.split()
		case 4:
			t.Logf("crash of the primary %s", p.name)
			c.takeOver()
		case 6:
			t.Log("crash of both")
			c.blackOut()
		}
	}
	p, s := c.nodes[c.prim], c.nodes[1-c.prim]
	p.isCopied(generation(c.gen))
	s.isCopied(generation(c.gen))
	close(stop)
	clients.Wait()
	settled(t, p)
	c.check(p)
	same(t, p, s)
	t.Logf("joined %d times, promoted %d times, acknowledged %v", c.joined, c.promoted, c.acked)
}
