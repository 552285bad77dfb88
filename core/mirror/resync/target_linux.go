package resync

import (
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Copy is where a Target finds the files: a replica.Replica.
type Copy interface {
	Use(stream.FileID) (fd int, done func(), err error)
}

// Target answers a Source's requests for one session.
type Target struct {
	copy Copy
	opts TargetOptions

	checks  chan struct{} // one for each that runs
	running sync.WaitGroup
}

// TargetOptions of a Target.
type TargetOptions struct {
	// Answer sends an answer. It may be called by several goroutines.
	Answer func(Answer)
	// Recorded is the copy's own record of zones for the folder with this root.
	Recorded func(root stream.FileID) zones.Recorded
	// Remove removes a name in the directory of fd with all that is below; nil is
	// RemoveAll.
	Remove func(fd int, name string) error
	// PartSize is how many names of a directory are in memory at most, 32768 unless set.
	PartSize int
	// Checks is how many run beside each other, 4 unless set.
	Checks int
}

// NewTarget makes the answering side of a session.
func NewTarget(copy Copy, o TargetOptions) *Target {
	if o.Checks == 0 {
		o.Checks = 4
	}
	if o.PartSize == 0 {
		o.PartSize = partSize
	}
	if o.Remove == nil {
		o.Remove = RemoveAll
	}
	return &Target{copy: copy, opts: o, checks: make(chan struct{}, o.Checks)}
}

// Close waits for what still runs. The session has ended.
func (t *Target) Close() { t.running.Wait() }

// Handle takes a request in its place among the operations. An error means that the
// copy cannot become what it is to be.
func (t *Target) Handle(r Request) error {
	switch {
	case r.Remove != nil:
		fd, done, err := t.copy.Use(r.Remove.Parent)
		if err != nil {
			return err
		}
		defer done()
		if err := t.opts.Remove(fd, string(r.Remove.Name)); err != nil {
			return fmt.Errorf("remove %q: %w", r.Remove.Name, err)
		}
	case r.Check != nil:
		return t.check(r.Number, *r.Check)
	case r.List != 0:
		return t.list(r)
	case r.Xattrs != 0:
		return t.xattrs(r)
	case r.Marks != 0:
		return t.marks(r)
	default:
		return fmt.Errorf("a request that asks for nothing: the nodes run different versions")
	}
	return nil
}

// batch is how many entries go into an answer: it has to fit into a frame also with
// the longest names, links and sums.
const batch = 100

func (t *Target) list(r Request) error {
	fd, done, err := t.copy.Use(r.List)
	if err != nil {
		return err
	}
	defer done()
	var list []dirent
	a := Answer{Number: r.Number}
	if r.Dirs {
		err = each(fd, func(d dirent) error {
			if d.kind == unix.DT_DIR {
				list = append(list, d)
			}
			return nil
		})
	} else {
		list, a.Parts, err = names(fd, r.Part, t.opts.PartSize)
	}
	if err != nil {
		return fmt.Errorf("list a directory: %w", err)
	}
	return t.describe(fd, list, a)
}

// describe adds the names in a directory to an answer.
func (t *Target) describe(dir int, list []dirent, a Answer) error {
	for _, d := range list {
		file, err := reach(dir, d.name)
		if err != nil {
			return fmt.Errorf("look at %q: %w", d.name, err)
		}
		e, err := entryOf(file, d.name)
		unix.Close(file)
		if err != nil {
			return fmt.Errorf("look at %q: %w", d.name, err)
		}
		if len(a.Entries) == batch {
			a.More = true
			t.opts.Answer(a)
			a = Answer{Number: a.Number}
		}
		a.Entries = append(a.Entries, e)
	}
	t.opts.Answer(a)
	return nil
}

func (t *Target) xattrs(r Request) error {
	fd, done, err := t.copy.Use(r.Xattrs)
	if err != nil {
		return err
	}
	defer done()
	all, err := xattrs(fd)
	if err != nil {
		return fmt.Errorf("read extended attributes: %w", err)
	}
	for name, value := range all {
		t.opts.Answer(Answer{Number: r.Number, More: true, Xattrs: map[string][]byte{name: value}})
	}
	t.opts.Answer(Answer{Number: r.Number})
	return nil
}

// check compares beside the operations that follow. What they change meanwhile they
// change on both sides, so that what is found equal is.
func (t *Target) check(number uint64, c Check) error {
	if c.Offset < 0 || c.Length < 0 || len(c.Sums) > 0 && (c.Length > chunk || int64(len(c.Sums)) != (c.Length+Block-1)/Block*sumSize) {
		return fmt.Errorf("a check of %d bytes with %d bytes of checksums: the nodes run different versions", c.Length, len(c.Sums))
	}
	at, done, err := t.copy.Use(c.File)
	if err != nil {
		return err
	}
	t.checks <- struct{}{}
	t.running.Go(func() {
		defer func() { done(); <-t.checks }()
		a := Answer{Number: number}
		differs, err := compare(at, c)
		if err != nil {
			a.Error = err.Error()
		}
		a.Differs = differs
		t.opts.Answer(a)
	})
	return nil
}

func compare(at int, c Check) ([]byte, error) {
	fd, err := unix.Open(path(at), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if len(c.Sums) == 0 {
		return zeros(fd, c)
	}
	blocks := len(c.Sums) / sumSize
	differs := make([]byte, (blocks+7)/8)
	data, err := read(fd, make([]byte, c.Length), c.Offset)
	if err != nil {
		return nil, err
	}
	mine := sums(data)
	for i := range blocks {
		at, end := i*sumSize, (i+1)*sumSize
		if end > len(mine) || string(mine[at:end]) != string(c.Sums[at:end]) {
			setBit(differs, i)
		}
	}
	return differs, nil
}

// zeros sets the one bit if there is anything but zeros. What is beyond the end of the
// file is none.
func zeros(fd int, c Check) ([]byte, error) {
	buf := make([]byte, chunk)
	for at, end := c.Offset, c.Offset+c.Length; ; {
		x, ok, err := next(fd, at, end)
		if err != nil || !ok {
			return []byte{0}, err
		}
		for ; at < x.end && !x.hole; at += chunk {
			data, err := read(fd, buf[:min(chunk, x.end-at)], at)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(data, func(b byte) bool { return b != 0 }) {
				return []byte{1}, nil
			}
		}
		at = x.end
	}
}

// marks answers the zones that are recorded here, by the names that their files have
// here.
func (t *Target) marks(r Request) error {
	fd, done, err := t.copy.Use(r.Marks)
	if err != nil {
		return err
	}
	defer done()
	recorded := t.opts.Recorded(r.Marks)
	if recorded.Everything {
		t.opts.Answer(Answer{Number: r.Number, All: true})
		return nil
	}
	at := map[uint64][]uint32{}
	for _, z := range append(recorded.Dirty, recorded.Active...) {
		at[z.Inode] = append(at[z.Inode], z.Index)
	}
	found, err := index(fd, func(inode uint64) bool { return at[inode] != nil }, nil)
	if err != nil {
		return fmt.Errorf("look for the recorded files: %w", err)
	}
	a := Answer{Number: r.Number}
	for inode, places := range found {
		for _, p := range places {
			for _, i := range at[inode] {
				if len(a.Marks) == batch {
					a.More = true
					t.opts.Answer(a)
					a = Answer{Number: r.Number}
				}
				a.Marks = append(a.Marks, Mark{[]byte(p.path()), i})
			}
		}
	}
	t.opts.Answer(a)
	return nil
}

// RemoveAll removes a name in the directory of fd with all that is below.
func RemoveAll(fd int, name string) error {
	err := unix.Unlinkat(fd, name, 0)
	if err != unix.EISDIR && err != unix.EPERM {
		return err
	}
	dir, err := reach(fd, name)
	if err != nil {
		return err
	}
	err = empty(dir)
	unix.Close(dir)
	if err != nil {
		return err
	}
	return unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
}

// empty removes what is in a directory: some names at a time, and from the beginning again as
// long as there are any.
func empty(dir int) error {
	for {
		fd, err := unix.Open(path(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		var list []dirent
		for more := true; more && len(list) == 0 && err == nil; {
			list, more, err = some(fd, Part{})
		}
		unix.Close(fd)
		for _, d := range list {
			if err == nil {
				err = RemoveAll(dir, d.name)
			}
		}
		if err != nil || len(list) == 0 {
			return err
		}
	}
}
