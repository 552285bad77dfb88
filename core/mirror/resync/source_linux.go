package resync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// PartSize is how many names of a directory are in memory at most, 32768 unless set.
	PartSize int
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
	if o.PartSize == 0 {
		o.PartSize = partSize
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
		name, after, _ := strings.Cut(rest, "/")
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
	places     map[uint64][]*place // of what is marked
	below      map[uint64][]*place // these and the directories on their paths, by the directory that they are in
	missed     map[*place]bool     // that were gone when their directory was brought in order
	bound      map[*place]stream.FileID
	visited    map[uint64]bool     // inodes that were compared with their names
	held       map[child]bool      // names that were brought in order under which the copy had directories, or files with several
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
		below: map[uint64][]*place{}, missed: map[*place]bool{}, visited: map[uint64]bool{}, held: map[child]bool{},
		links: map[uint64]linked{}, claimed: map[uint64]uint64{},
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
	all, err := p.index()
	if err != nil {
		return err
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

// top does all.
func (p *pass) top() error {
	e, err := entryOf(p.s.root, "")
	if err != nil {
		return err
	}
	if err := p.s.attributes(p.s.root, e, p.s.opts.Root, nil); err != nil {
		return err
	}
	return p.directory(&directory{fd: p.s.root, inode: e.Inode, id: p.s.opts.Root, below: true})
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
		var size, files int64
		err := each(fd, func(d dirent) error {
			if p.skipped(join(at, d.name), d.kind == unix.DT_DIR) {
				return nil
			}
			if d.kind == unix.DT_REG {
				var st unix.Stat_t
				if unix.Fstatat(fd, d.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
					size += st.Size
				}
			}
			if d.kind == unix.DT_DIR {
				return into(fd, d, func(dir int) error { return walk(dir, join(at, d.name)) })
			}
			files++
			return nil
		})
		p.s.opts.Progress.add(func(f *Figures) { f.Total, f.Known = f.Total+size, f.Known+files })
		if err != nil && !gone(err) {
			return err
		}
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
