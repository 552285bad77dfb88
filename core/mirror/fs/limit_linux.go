package fs

import (
	"slices"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// files is how many files the kernel may know by default, unless the limit on open files is
// too low for it. Each costs a descriptor here, and that keeps an inode in memory.
const files = 100_000

// filesWithin is a limit that leaves half of the descriptors to open files.
func filesWithin(wanted int) (int, error) {
	if wanted == 0 {
		wanted = files
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return min(wanted, int(min(limit.Cur, 1<<30)/2)), nil
}

// pruner asks the kernel to forget files that nobody has open, the oldest first, when it
// knows too many. What it cannot spare it keeps.
type pruner struct {
	table *table
	limit int
	ask   func(list []pruned)
	stop  chan struct{}
	done  sync.WaitGroup
}

// pruned is a node to forget, and a name of it.
type pruned struct {
	node, parent uint64
	name         string
	dir          bool
}

// Between two looks through all nodes, while too many are known.
const (
	firstLook  = 100 * time.Millisecond
	laterLooks = time.Second
)

func newPruner(t *table, limit int, server *fuse.Server) *pruner {
	p := &pruner{table: t, limit: limit, ask: askByName(server), stop: make(chan struct{})}
	if server.KernelSettings().SupportsNotify(fuse.NOTIFY_PRUNE) {
		p.ask = askByNode(server)
	}
	t.limitTo(limit)
	p.done.Go(p.run)
	return p
}

func (p *pruner) close() {
	close(p.stop)
	p.done.Wait()
}

func (p *pruner) run() {
	for {
		select {
		case <-p.stop:
			return
		case <-p.table.full:
		}
		for wait := firstLook; p.prune(); wait = min(2*wait, laterLooks) {
			// All that could be spared was asked for, and the kernel takes its time; or nothing
			// can be spared.
			select {
			case <-p.stop:
				return
			case <-time.After(wait):
			}
		}
	}
}

// prune goes through the nodes once, and says whether there are still too many.
func (p *pruner) prune() bool {
	for seen, all := 0, p.table.count(); seen < all && p.table.count() > p.limit*7/8; {
		list, looked := p.table.oldest(500)
		if looked == 0 {
			break
		}
		seen += looked
		p.ask(list)
	}
	return p.table.count() > p.limit
}

// askByNode asks kernels that know how (FUSE 7.45, Linux 6.18).
func askByNode(server *fuse.Server) func([]pruned) {
	return func(list []pruned) {
		ids := make([]uint64, len(list))
		for i, n := range list {
			ids[i] = n.node
		}
		server.PruneNotify(ids)
	}
}

// askByName makes the kernel drop names. A directory may be somebody's working
// directory, which would lose its name: those stay.
func askByName(server *fuse.Server) func([]pruned) {
	return func(list []pruned) {
		for _, n := range list {
			if !n.dir && n.parent != 0 {
				server.EntryNotify(n.parent, n.name)
			}
		}
	}
}

// limitTo makes full be signalled beyond a number of nodes.
func (t *table) limitTo(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit, t.full = limit, make(chan struct{}, 1)
}

// aged notes a new node, with mu held.
func (t *table) aged(n *node) {
	if t.age = append(t.age, n.id); len(t.age) > 2*len(t.ids)+1000 {
		t.age = slices.DeleteFunc(t.age, func(id uint64) bool { return t.ids[id] == nil })
	}
	if t.limit > 0 && len(t.ids) > t.limit {
		select {
		case t.full <- struct{}{}:
		default:
		}
	}
}

func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ids)
}

// oldest answers which of the oldest nodes can be spared, and how many it has looked at.
// They are the youngest after that.
func (t *table) oldest(count int) (list []pruned, looked int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	looked = min(count, len(t.age))
	for _, id := range t.age[:looked] {
		n := t.ids[id]
		if n == nil {
			continue
		}
		t.age = append(t.age, id)
		if n.opens == 0 && n.children == 0 {
			one := pruned{node: id, name: n.name, dir: n.dir}
			if n.parent != nil {
				one.parent = n.parent.id
			}
			list = append(list, one)
		}
	}
	t.age = t.age[looked:]
	return list, looked
}
