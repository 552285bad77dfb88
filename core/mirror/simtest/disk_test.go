package simtest

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

var errPower = errors.New("the power is gone")

const sector = 512

// block is a part of a replicated file.
type block struct{ file, index int }

// disk is a node's. When its power goes, what was not synced is there or not, in any part:
// of files sectors and names, of replicated data each block as it was at any time since.
type disk struct {
	mu    sync.Mutex
	dead  bool
	left  int // operations until the power goes
	lies  func(what string) bool
	names map[string]*content
	safe  map[string]*content // names as synced
	data  map[block]*cell
	gates []*gate
	begun int // gates ever
}

type content struct{ now, safe []byte }

// cell is what a block held since it was synced; the last is what is read.
type cell struct {
	begin int // how many were dropped
	held  []uint64
}

// gate is a sync that has begun. It ends when the story says so.
type gate struct {
	what   string
	number int
	open   chan struct{}
}

const forEver = 1 << 40

func newDisk() *disk {
	return &disk{left: forEver, names: map[string]*content{}, safe: map[string]*content{}, data: map[block]*cell{}}
}

// step is one operation, with mu held after it.
func (d *disk) step() error {
	d.mu.Lock()
	if d.left--; d.left < 0 {
		d.dead = true
	}
	if d.dead {
		return errPower
	}
	return nil
}

// wait waits for the story, with mu held before and after, but not meanwhile.
func (d *disk) wait(what string) error {
	d.begun++
	g := &gate{what, d.begun, make(chan struct{})}
	d.gates = append(d.gates, g)
	d.mu.Unlock()
	<-g.open
	d.mu.Lock()
	if d.dead {
		return errPower
	}
	return nil
}

// pass lets one of the syncs that have begun end.
func (d *disk) pass(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.gates) == 0 {
		return
	}
	slices.SortFunc(d.gates, func(a, b *gate) int { // not by the order in which goroutines came
		if a.what != b.what {
			if a.what < b.what {
				return -1
			}
			return 1
		}
		return a.number - b.number
	})
	n %= len(d.gates)
	close(d.gates[n].open)
	d.gates = slices.Delete(d.gates, n, n+1)
}

// die takes the power away; who waits gets an error.
func (d *disk) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	for _, g := range d.gates {
		close(g.open)
	}
	d.gates = nil
}

func (d *disk) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// write changes a block.
func (d *disk) write(b block, v uint64) error {
	err := d.step()
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	if d.data[b] == nil {
		d.data[b] = &cell{held: []uint64{0}}
	}
	d.data[b].held = append(d.data[b].held, v)
	return nil
}

// live is what is read.
func (d *disk) live() map[block]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := map[block]uint64{}
	for _, b := range blocks {
		m[b] = 0
		if c := d.data[b]; c != nil {
			m[b] = c.held[len(c.held)-1]
		}
	}
	return m
}

// least is what a block would hold after a power cut at worst: values only grow.
func (d *disk) least(b block) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.data[b] == nil {
		return 0
	}
	return slices.Min(d.data[b].held)
}

// sync makes durable what a file holds, or all files if file is negative.
func (d *disk) sync(what string, file int) error {
	err := d.step()
	defer d.mu.Unlock()
	begin := map[*cell]int{}
	for b, c := range d.data {
		if file < 0 || b.file == file {
			begin[c] = c.begin + len(c.held) - 1
		}
	}
	if err == nil {
		err = d.wait(what)
	}
	if err != nil || d.lies != nil && d.lies(what) {
		return err
	}
	for c, n := range begin {
		if drop := n - c.begin; drop > 0 { // else a later sync has ended before
			c.begin, c.held = n, c.held[drop:]
		}
	}
	return nil
}

// restart is the disk when the power is back.
func (d *disk) restart(rng *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newDisk()
	next.lies = d.lies
	for _, b := range blocks {
		if c := d.data[b]; c != nil {
			next.data[b] = &cell{held: []uint64{c.held[rng.IntN(len(c.held))]}}
		}
	}
	after := map[*content]*content{}
	survive := func(c *content) *content {
		if after[c] == nil {
			after[c] = c.torn(rng)
		}
		return after[c]
	}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		from := d.names
		if rng.IntN(2) == 0 {
			from = d.safe
		}
		if c := from[name]; c != nil {
			next.names[name] = survive(c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.safe)) {
		if d.names[name] == nil && rng.IntN(2) == 0 {
			next.names[name] = survive(d.safe[name])
		}
	}
	next.safe = maps.Clone(next.names)
	return next
}

// torn is what is left of a file.
func (c *content) torn(rng *rand.Rand) *content {
	b := slices.Clone(c.safe)
	if rng.IntN(2) == 0 && len(c.now) > len(b) {
		b = append(b, make([]byte, len(c.now)-len(b))...)
	}
	for s := 0; s < len(b); s += sector {
		if end := min(s+sector, len(b)); rng.IntN(2) == 0 && end <= len(c.now) {
			copy(b[s:end], c.now[s:end])
		}
	}
	return &content{b, slices.Clone(b)}
}

// The rest makes a zones.Disk of it.

func (d *disk) Create(name string) (zones.File, error) {
	err := d.step()
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c := &content{}
	d.names[name] = c
	return &file{d, name, c}, nil
}

func (d *disk) ReadFile(name string) ([]byte, error) {
	err := d.step()
	defer d.mu.Unlock()
	if err == nil && d.names[name] == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(d.names[name].now), nil
}

func (d *disk) Rename(from, to string) error {
	err := d.step()
	defer d.mu.Unlock()
	if err == nil {
		d.names[to] = d.names[from]
		delete(d.names, from)
	}
	return err
}

func (d *disk) Remove(name string) error {
	err := d.step()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.names, name)
	}
	return err
}

func (d *disk) Sync() error {
	err := d.step()
	defer d.mu.Unlock()
	if err == nil {
		d.safe = maps.Clone(d.names)
	}
	return err
}

type file struct {
	d    *disk
	name string
	c    *content
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	err := f.d.step()
	defer f.d.mu.Unlock()
	if grow := int(at) + len(b) - len(f.c.now); grow > 0 {
		f.c.now = append(f.c.now, make([]byte, grow)...)
	}
	copy(f.c.now[at:], b) // also when the power goes just then
	return len(b), err
}

// Sync takes its time where batches of zones and generations are written. A checkpoint of the
// zones is made in one go: a crash can come within it, but nothing else.
func (f *file) Sync() error {
	err := f.d.step()
	defer f.d.mu.Unlock()
	begin := slices.Clone(f.c.now)
	if err == nil && len(begin) > 0 && f.name != "zones.new" {
		err = f.d.wait(f.name)
	}
	if err == nil && (f.d.lies == nil || !f.d.lies(f.name)) {
		f.c.safe = begin
	}
	return err
}

func (f *file) Close() error { return nil }
