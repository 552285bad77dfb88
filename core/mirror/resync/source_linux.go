package resync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Peer is the way to the copy.
type Peer interface {
	// Send puts an operation into the stream.
	Send(stream.Op) error
	// Post puts a request into the stream; the function waits for the whole answer.
	Post(Request) (func() (Answer, error), error)
}

// Options of a Source.
type Options struct {
	// Root is the folder's id in the session.
	Root stream.FileID
	// ZoneSize is the bytes of a zone.
	ZoneSize int64
	// Workers is how many files are compared at the same time, 6 unless set.
	Workers int
	// Limit bounds the bytes of data a second; nil is without a bound.
	Limit *rate.Limiter
	// Skip says what is not replicated; nil is nothing.
	Skip Skip
	// Progress is told; it may be shared with other Sources.
	Progress *Progress
}

// Skip says that a path in the folder is not replicated, by itself or with the directory
// that it is in.
type Skip func(path string, dir bool) bool

// Lock runs do while no operation changes the file of an O_PATH descriptor.
type Lock func(fd int, do func() error) error

func unlocked(_ int, do func() error) error { return do() }

// Source makes the peer's copy of one folder equal to it, in one session.
type Source struct {
	root int
	peer Peer
	opts Options
	last atomic.Uint64 // id given out

	walked memo
}

// NewSource takes the folder of an O_PATH descriptor, which stays the caller's.
func NewSource(root int, peer Peer, o Options) *Source {
	if o.Workers == 0 {
		o.Workers = 6
	}
	if o.Progress == nil {
		o.Progress = NewProgress()
	}
	return &Source{root: root, peer: peer, opts: o, walked: memo{}}
}

// Work is what the copy may lack.
type Work struct {
	Everything bool
	Zones      []zones.Zone
}

// Size is how many things it names, as far as it does.
func (w Work) Size() int { return len(w.Zones) }

// Work is what is recorded here and at the peer.
func (s *Source) Work(recorded zones.Recorded) (Work, error) {
	a, err := s.ask(Request{Marks: s.opts.Root})
	if err != nil {
		return Work{}, fmt.Errorf("ask the peer for its record: %w", err)
	}
	w := Work{Everything: recorded.Everything || a.All, Zones: slices.Concat(recorded.Dirty, recorded.Active)}
	for _, m := range a.Marks {
		z, err := s.here(m)
		if err != nil {
			return Work{}, err
		}
		w.Zones = append(w.Zones, z)
	}
	return w, nil
}

// here is the zone that the peer's mark is about or, where its path leads nowhere, the
// names of the last directory on it.
func (s *Source) here(m Mark) (zones.Zone, error) {
	z := zones.Zone{Index: m.Index}
	at, err := unix.Openat(s.root, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return z, err
	}
	defer func() { unix.Close(at) }()
	rest := string(m.Path)
	for rest != "" {
		name, after, _ := cut(rest)
		next, err := reach(at, name)
		if gone(err) {
			z.Index = zones.Names
			break
		}
		if err != nil {
			return z, err
		}
		unix.Close(at)
		at, rest = next, after
	}
	var st unix.Stat_t
	err = unix.Fstatat(at, "", &st, unix.AT_EMPTY_PATH)
	z.Inode = st.Ino
	return z, err
}

func cut(p string) (first, rest string, more bool) {
	for i := range len(p) {
		if p[i] == '/' {
			return p[:i], p[i+1:], true
		}
	}
	return p, "", false
}

// Round makes the copy equal in what w names, while the folder may be changed: what was
// changed meanwhile is the next round's.
func (s *Source) Round(ctx context.Context, w Work) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opts.Workers)
	p := s.pass(ctx, w, func(j *job) {
		g.Go(func() error {
			defer s.let(j)
			return s.finish(ctx, j, unlocked)
		})
	})
	err := p.run()
	if failed := g.Wait(); failed != nil { // which may have ended the pass
		err = failed
	}
	p.end()
	return err
}

// Rest is the data that the last round left.
type Rest struct {
	pass *pass
	jobs []*job
}

// Names brings names and attributes in order, while the folder is not changed. The data
// that is still missing is left to Rest.
func (s *Source) Names(ctx context.Context, w Work) (*Rest, error) {
	r := &Rest{}
	r.pass = s.pass(ctx, w, func(j *job) { r.jobs = append(r.jobs, j) })
	if err := r.pass.run(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Data sends the data, each piece while lock keeps its file as it is.
func (r *Rest) Data(ctx context.Context, lock Lock) error {
	s := r.pass.s
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opts.Workers)
	for _, j := range r.jobs {
		g.Go(func() error { return s.finish(ctx, j, lock) })
	}
	return g.Wait()
}

// Close lets go of the files.
func (r *Rest) Close() {
	for _, j := range r.jobs {
		r.pass.s.let(j)
	}
	r.jobs = nil
	r.pass.end()
}

// pass is one way through what a Work names.
type pass struct {
	s    *Source
	ctx  context.Context
	emit func(*job)

	everything bool
	marked     map[uint64][]uint32 // inode → indices of its zones
	places     map[uint64][]*place
	bound      map[*place]stream.FileID
	visited    map[uint64]bool     // inodes that were compared with their names
	listed     map[uint64]listing  // directories whose names were brought in order
	several    map[uint64][]*place // files with several names, if they were looked for
	links      map[uint64]linked
	claimed    map[uint64]uint64 // inodes there with several names → inode here
	keep       []stream.FileID   // forgotten at the end
}

// linked is a file with several names that the copy has under one of them.
type linked struct {
	id    stream.FileID
	inode uint64 // there; 0 if it was made in this pass
}

func (s *Source) pass(ctx context.Context, w Work, emit func(*job)) *pass {
	p := &pass{
		s: s, ctx: ctx, emit: emit, everything: w.Everything, marked: map[uint64][]uint32{}, bound: map[*place]stream.FileID{},
		visited: map[uint64]bool{}, listed: map[uint64]listing{}, links: map[uint64]linked{}, claimed: map[uint64]uint64{},
	}
	for _, z := range w.Zones {
		p.marked[z.Inode] = append(p.marked[z.Inode], z.Index)
	}
	return p
}

func (p *pass) isMarked(inode uint64, index uint32) bool {
	return slices.Contains(p.marked[inode], index)
}

func (p *pass) run() error {
	p.s.opts.Progress.add(func(f *Figures) { f.Round++ })
	if p.everything {
		if err := p.measure(); err != nil {
			return err
		}
		return p.top()
	}
	if len(p.marked) == 0 {
		return nil
	}
	var err error
	p.places, err = p.s.walked.index(p.s.root, p.marked, p.s.opts.Skip)
	if err != nil {
		return fmt.Errorf("look for what was changed: %w", err)
	}
	var all []*place
	for _, places := range p.places {
		all = append(all, places...)
	}
	// A directory before what is in it, so that the copy has it.
	slices.SortFunc(all, func(a, b *place) int { return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.path(), b.path())) })
	for _, directories := range []bool{true, false} {
		for _, at := range all {
			if err := p.place(at, directories); err != nil {
				return err
			}
		}
	}
	return nil
}

// place does a marked file or directory, unless that was done with its directory.
func (p *pass) place(at *place, directories bool) error {
	if p.visited[at.inode] || p.moved(at) || p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	fd, err := p.open(at)
	if gone(err) {
		return nil // it was marked again
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	e, err := entryOf(fd, at.name)
	if err != nil {
		return err
	}
	if e.Inode != at.inode || e.is(unix.S_IFDIR) != directories {
		return nil
	}
	id, err := p.bind(at)
	if err != nil {
		return err
	}
	p.visited[at.inode] = true
	if directories {
		if err := p.s.attributes(fd, e, id, nil); err != nil {
			return err
		}
		return p.directory(fd, e.Inode, at.path(), id, p.isMarked(at.inode, zones.Whole))
	}
	return p.file(fd, e, id, nil, p.isMarked(at.inode, zones.Whole), true)
}

// moved says that a name was not there any more when its directory's, or that of one above
// it, were brought in order: the copy does not have it.
func (p *pass) moved(at *place) bool {
	for ; at.parent != nil; at = at.parent {
		if l, ok := p.listed[at.parent.inode]; ok {
			if _, ok := l.here[at.name]; !ok {
				return true
			}
		}
	}
	return false
}

// top does all.
func (p *pass) top() error {
	e, err := entryOf(p.s.root, "")
	if err != nil {
		return err
	}
	if err := p.s.attributes(p.s.root, e, p.s.opts.Root, nil); err != nil {
		return err
	}
	return p.directory(p.s.root, e.Inode, "", p.s.opts.Root, true)
}

// open opens a place by its names.
func (p *pass) open(at *place) (int, error) {
	if at.parent == nil {
		return unix.Openat(p.s.root, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	dir, err := p.open(at.parent)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	return reach(dir, at.name)
}

// bind introduces a place, which the copy has, with the directories that lead to it.
func (p *pass) bind(at *place) (stream.FileID, error) {
	if at.parent == nil {
		return p.s.opts.Root, nil
	}
	if id, ok := p.bound[at]; ok {
		return id, nil
	}
	dir, err := p.bind(at.parent)
	if err != nil {
		return 0, err
	}
	id := p.s.id()
	p.bound[at] = id
	p.keep = append(p.keep, id)
	return id, p.s.peer.Send(stream.Op{Kind: stream.Bind, File: id, Parent: dir, Name: at.name})
}

// end lets the peer forget what was introduced for the pass.
func (p *pass) end() {
	for _, id := range p.keep {
		_ = p.s.peer.Send(stream.Op{Kind: stream.Forget, File: id}) // the session's end says more
	}
}

// measure adds up what is to be compared.
func (p *pass) measure() error {
	var walk func(fd int, at string) error
	walk = func(fd int, at string) error {
		list, err := names(fd)
		if err != nil && !gone(err) {
			return err
		}
		var size int64
		for _, d := range list {
			if p.skipped(join(at, d.name), d.kind == unix.DT_DIR) {
				continue
			}
			if d.kind == unix.DT_REG {
				var st unix.Stat_t
				if unix.Fstatat(fd, d.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
					size += st.Size
				}
			}
			if d.kind == unix.DT_DIR {
				if err := into(fd, d, func(dir int) error { return walk(dir, join(at, d.name)) }); err != nil {
					return err
				}
			}
		}
		p.s.opts.Progress.add(func(f *Figures) { f.Total += size })
		return context.Cause(p.ctx)
	}
	return walk(p.s.root, "")
}

func (s *Source) id() stream.FileID {
	return s.opts.Root - stream.Root + stream.Extra + stream.FileID(s.last.Add(1))
}

// ask waits for the answer.
func (s *Source) ask(r Request) (Answer, error) {
	wait, err := s.peer.Post(r)
	if err != nil {
		return Answer{}, err
	}
	return answer(wait)
}

// answer waits for one, and makes what failed there an error.
func answer(wait func() (Answer, error)) (Answer, error) {
	a, err := wait()
	if err == nil && a.Error != "" {
		err = errors.New("the peer: " + a.Error)
	}
	return a, err
}
