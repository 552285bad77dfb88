package zones

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

var errCrash = errors.New("the power is gone")

// memory is a disk whose power can go: what was not synced is there or not, sector by
// sector and name by name.
type memory struct {
	mu    sync.Mutex
	rng   *rand.Rand
	left  int           // operations until the power goes
	hold  chan struct{} // if set, syncs of files wait for it
	names map[string]*content
	safe  map[string]*content // names as synced
	syncs int
}

type content struct {
	now, safe []byte
}

func newMemory(seed uint64) *memory {
	return &memory{rng: rand.New(rand.NewPCG(seed, 9)), left: 1 << 30, names: map[string]*content{}, safe: map[string]*content{}}
}

// step is one operation, with mu held after it; it fails when the power is gone.
func (m *memory) step() error {
	m.mu.Lock()
	if m.left--; m.left < 0 {
		return errCrash
	}
	return nil
}

func (m *memory) Create(name string) (File, error) {
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return nil, err
	}
	c := &content{}
	m.names[name] = c
	return &memFile{m, c}, nil
}

func (m *memory) ReadFile(name string) ([]byte, error) {
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return nil, err
	}
	if m.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(m.names[name].now), nil
}

func (m *memory) Rename(from, to string) error {
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.names[to] = m.names[from]
	delete(m.names, from)
	return nil
}

func (m *memory) Remove(name string) error {
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *memory) Sync() error {
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.safe = maps.Clone(m.names)
	return nil
}

type memFile struct {
	m *memory
	c *content
}

func (f *memFile) WriteAt(b []byte, at int64) (int, error) {
	defer f.m.mu.Unlock()
	err := f.m.step()
	if grow := int(at) + len(b) - len(f.c.now); grow > 0 {
		f.c.now = append(f.c.now, make([]byte, grow)...)
	}
	copy(f.c.now[at:], b) // also when the power goes just then
	return len(b), err
}

func (f *memFile) Sync() error {
	if f.m.hold != nil {
		<-f.m.hold
	}
	defer f.m.mu.Unlock()
	if err := f.m.step(); err != nil {
		return err
	}
	f.m.syncs++
	f.c.safe = slices.Clone(f.c.now)
	return nil
}

func (f *memFile) Close() error { return nil }

// restart is the disk after a power cut: each sector and each name is as synced, or as
// it was.
func (m *memory) restart(seed uint64) *memory {
	next := newMemory(seed)
	after := map[*content]*content{}
	survive := func(c *content) *content {
		if after[c] == nil {
			b := slices.Clone(c.safe)
			if m.rng.IntN(2) == 0 && len(c.now) > len(b) {
				b = append(b, make([]byte, len(c.now)-len(b))...)
			}
			for s := 0; s < len(b); s += sector {
				if end := min(s+sector, len(b)); m.rng.IntN(2) == 0 && end <= len(c.now) {
					copy(b[s:end], c.now[s:end])
				}
			}
			after[c] = &content{b, slices.Clone(b)}
		}
		return after[c]
	}
	for name := range m.names {
		from := m.names
		if m.rng.IntN(2) == 0 {
			from = m.safe
		}
		if c := from[name]; c != nil {
			next.names[name] = survive(c)
		}
	}
	for name, c := range m.safe {
		if m.names[name] == nil && m.rng.IntN(2) == 0 {
			next.names[name] = survive(c)
		}
	}
	next.safe = maps.Clone(next.names)
	return next
}
