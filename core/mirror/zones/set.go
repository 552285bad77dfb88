package zones

import (
	"cmp"
	"slices"
)

// Zone is a part of a file: an index in units of the zone size, Names, or Whole.
type Zone struct {
	Inode uint64
	Index uint32
}

// Special indices.
const (
	Names = ^uint32(0)     // the attributes of a file, or what is in a directory
	Whole = ^uint32(0) - 1 // all of a file
)

// mark is when a zone was recorded.
type mark struct {
	batch uint64 // durable once this is
	epoch uint32 // of active zones
}

// set is the state that the log makes.
type set struct {
	dirty, active map[Zone]mark
	perFile       map[uint64]int // dirty zones of each file
	everything    *mark          // all is dirty
	allActive     *mark          // all is active
	epoch         uint32         // current
}

func newSet() *set {
	return &set{dirty: map[Zone]mark{}, active: map[Zone]mark{}, perFile: map[uint64]int{}}
}

// opcode is what a record does.
type opcode uint8

const (
	opDirty      opcode = iota + 1 // zone is dirty
	opActive                       // zone is active in epoch
	opClean                        // zone is not dirty any more
	opEpoch                        // epoch begins
	opEnd                          // zones that were active before epoch only are dropped
	opMerge                        // active zones become dirty
	opClear                        // no zone is dirty any more
	opEverything                   // all is dirty
	opAllActive                    // all is active in epoch
)

// record is one step of the log.
type record struct {
	op    opcode
	zone  Zone
	epoch uint32
}

// apply changes the state as r says, and is all that does.
func (s *set) apply(r record, batch uint64) {
	switch r.op {
	case opDirty:
		s.mark(r.zone, batch)
	case opActive:
		s.active[r.zone] = mark{batch, r.epoch}
	case opClean:
		s.clean(r.zone)
	case opEpoch:
		s.epoch = r.epoch
	case opEnd:
		for z, m := range s.active {
			if m.epoch < r.epoch {
				delete(s.active, z)
			}
		}
		if s.allActive != nil && s.allActive.epoch < r.epoch {
			s.allActive = nil
		}
	case opMerge:
		s.merge()
	case opClear:
		s.everything = nil
		clear(s.dirty)
		clear(s.perFile)
	case opEverything:
		s.everything = &mark{batch: batch}
		clear(s.dirty)
		clear(s.perFile)
	case opAllActive:
		s.allActive = &mark{batch, r.epoch}
		clear(s.active)
	}
}

// merge makes active zones dirty; they were recorded when they became active. Whole files go
// first: their zones are dirty with them.
func (s *set) merge() {
	for z, m := range s.active {
		if z.Index == Whole {
			s.mark(z, m.batch)
		}
	}
	for z, m := range s.active {
		if _, whole := s.dirty[Zone{z.Inode, Whole}]; !whole || z.Index == Names {
			s.mark(z, m.batch)
		}
	}
	clear(s.active)
	if s.allActive != nil && s.everything == nil {
		s.everything = &mark{batch: s.allActive.batch}
	}
	s.allActive = nil
}

func (s *set) mark(z Zone, batch uint64) {
	if old, ok := s.dirty[z]; ok {
		s.dirty[z] = mark{batch: min(old.batch, batch)}
		return
	}
	s.dirty[z] = mark{batch: batch}
	s.perFile[z.Inode]++
	if z.Index == Whole {
		s.shrink(z.Inode)
	}
}

func (s *set) clean(z Zone) {
	if _, ok := s.dirty[z]; !ok {
		return
	}
	delete(s.dirty, z)
	if s.perFile[z.Inode]--; s.perFile[z.Inode] == 0 {
		delete(s.perFile, z.Inode)
	}
}

// shrink drops the zones of a file that is dirty as a whole. They are looked for among all, so
// only if there are some: a new file has none.
func (s *set) shrink(inode uint64) {
	others := s.perFile[inode] - 1
	if _, names := s.dirty[Zone{inode, Names}]; names {
		others--
	}
	if others == 0 {
		return
	}
	for z := range s.dirty {
		if z.Inode == inode && z.Index != Whole && z.Index != Names {
			s.clean(z)
		}
	}
}

// dirtySince is the batch in which z was recorded as dirty, by itself or with more.
func (s *set) dirtySince(z Zone) (uint64, bool) {
	if s.everything != nil {
		return s.everything.batch, true
	}
	m, ok := s.dirty[z]
	if !ok && z.Index != Names {
		m, ok = s.dirty[Zone{z.Inode, Whole}]
	}
	return m.batch, ok
}

// activeSince is the batch in which z was recorded as active in this epoch.
func (s *set) activeSince(z Zone) (uint64, bool) {
	if s.allActive != nil && s.allActive.epoch == s.epoch {
		return s.allActive.batch, true
	}
	m, ok := s.active[z]
	if w, whole := s.active[Zone{z.Inode, Whole}]; whole && z.Index != Names && w.epoch == s.epoch {
		m, ok = w, true
	}
	return m.batch, ok && m.epoch == s.epoch
}

// sorted lists zones by file and index.
func sorted(m map[Zone]mark) []Zone {
	list := make([]Zone, 0, len(m))
	for z := range m {
		list = append(list, z)
	}
	slices.SortFunc(list, func(a, b Zone) int { return cmp.Or(cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.Index, b.Index)) })
	return list
}

// records make the same state from an empty one.
func (s *set) records() []record {
	list := []record{{op: opEpoch, epoch: s.epoch}}
	if s.everything != nil {
		list = append(list, record{op: opEverything})
	}
	if s.allActive != nil {
		list = append(list, record{op: opAllActive, epoch: s.allActive.epoch})
	}
	for _, z := range sorted(s.dirty) {
		list = append(list, record{op: opDirty, zone: z})
	}
	for _, z := range sorted(s.active) {
		list = append(list, record{op: opActive, zone: z, epoch: s.active[z].epoch})
	}
	return list
}
