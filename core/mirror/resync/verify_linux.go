package resync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// Difference is something in which the copies differ.
type Difference struct {
	Path string `json:"path"`
	What string `json:"what"`
}

// Comparison is what Verify found.
type Comparison struct {
	Files       int64        `json:"files"`
	Bytes       int64        `json:"bytes"`
	Different   int          `json:"different"`
	Differences []Difference `json:"differences,omitempty"` // the first of them
}

// maxDifferences is how many are told one by one.
const maxDifferences = 100

func (c *Comparison) note(path, what string) {
	c.Different++
	if len(c.Differences) < maxDifferences {
		c.Differences = append(c.Differences, Difference{path, what})
	}
}

// Verify compares the folder with a copy that follows it, and changes nothing. names runs
// something while no name changes, lock while a file is not changed. What differs is
// looked at again, as it may be that an operation was on its way.
func (s *Source) Verify(ctx context.Context, names func(do func() error) error, lock Lock) (Comparison, error) {
	v := &verifier{s: s, ctx: ctx, names: names, lock: lock}
	p := s.pass(ctx, Work{Everything: true}, nil)
	if err := p.measure(); err != nil {
		return Comparison{}, err
	}
	err := v.directory(s.root, "", s.opts.Root)
	return v.found, err
}

type verifier struct {
	s     *Source
	ctx   context.Context
	names func(do func() error) error
	lock  Lock
	found Comparison
}

// looks is how often something that differs is looked at.
const looks = 4

func (v *verifier) directory(fd int, at string, id stream.FileID) error {
	return inParts(func(part Part) (uint32, error) { return v.part(fd, at, id, part) })
}

// part compares a part of a directory's names, and what is below them.
func (v *verifier) part(fd int, at string, id stream.FileID, part Part) (parts uint32, err error) {
	if err := context.Cause(v.ctx); err != nil {
		return 0, err
	}
	l, err := v.listing(fd, at, id, part)
	for n := 1; err == nil && len(l.differ) > 0 && n < looks; n++ {
		var again listing
		if err = v.wait(); err == nil {
			again, err = v.listing(fd, at, id, part)
		}
		for name := range l.differ {
			if again.differ[name] == "" {
				delete(l.differ, name)
			}
		}
		l.both, l.parts = again.both, again.parts
	}
	if err != nil || l.parts > 0 {
		return l.parts, err
	}
	for name, what := range l.differ {
		v.found.note(join(at, name), what)
	}
	for _, e := range l.both {
		if _, bad := l.differ[string(e.Name)]; !bad {
			if err := v.entry(fd, id, e, join(at, string(e.Name))); err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

// wait lets some time pass.
func (v *verifier) wait() error {
	select {
	case <-time.After(200 * time.Millisecond):
		return nil
	case <-v.ctx.Done():
		return context.Cause(v.ctx)
	}
}

// listing is a part of a directory, compared without the data.
type listing struct {
	both   []Entry
	differ map[string]string // what differs
	parts  uint32            // it is too large, and nothing was compared
}

func (v *verifier) listing(fd int, at string, id stream.FileID, part Part) (l listing, err error) {
	var here map[string]Entry
	var wait func() (Answer, error)
	p := v.s.pass(v.ctx, Work{}, nil)
	err = v.names(func() (err error) {
		if here, l.parts, err = p.described(fd, at, part); err == nil && l.parts == 0 {
			wait, err = v.s.peer.Post(Request{List: id, Part: part})
		}
		return err
	})
	if err != nil {
		return l, fmt.Errorf("list %q: %w", at, err)
	}
	if l.parts > 0 {
		return l, nil
	}
	a, err := answer(wait)
	if err != nil || a.Parts > 0 {
		return listing{parts: a.Parts}, err
	}
	l.differ = map[string]string{}
	for _, e := range a.Entries {
		name := string(e.Name)
		mine, ok := here[name]
		delete(here, name)
		switch {
		case p.skipped(join(at, name), e.is(unix.S_IFDIR)):
		case !ok:
			l.differ[name] = "is on the secondary only"
		case !mine.sameFile(e):
			l.differ[name] = "is of another kind on the secondary"
		case mine.Size != e.Size:
			l.differ[name] = fmt.Sprintf("has %d bytes, on the secondary %d", mine.Size, e.Size)
		case mine.Mode != e.Mode || mine.UID != e.UID || mine.GID != e.GID || string(mine.Xattrs) != string(e.Xattrs) || !mine.is(unix.S_IFDIR) && mine.Links != e.Links:
			l.differ[name] = "has other attributes on the secondary"
		default:
			l.both = append(l.both, mine)
		}
	}
	for name := range here {
		l.differ[name] = "is on the primary only"
	}
	return l, nil
}

// described are the files that a part of a directory's names lead to.
func (p *pass) described(fd int, at string, part Part) (map[string]Entry, uint32, error) {
	list, parts, err := p.entries(fd, at, part)
	here := map[string]Entry{}
	for name := range list {
		if err != nil {
			return nil, 0, err
		}
		var file int
		if file, err = reach(fd, name); err == nil {
			here[name], err = entryOf(file, name)
			unix.Close(file)
		}
	}
	return here, parts, err
}

// entry compares what is below a name that both have.
func (v *verifier) entry(dir int, parent stream.FileID, e Entry, at string) error {
	v.found.Files++
	v.s.opts.Progress.add(func(f *Figures) { f.Files++ })
	if !e.is(unix.S_IFDIR) && !e.is(unix.S_IFREG) {
		return nil
	}
	id := v.s.id()
	fd := -1
	err := v.names(func() (err error) {
		if fd, err = reach(dir, string(e.Name)); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil || st.Ino != e.Inode {
			return errors.Join(err, unix.ENOENT)
		}
		return v.s.peer.Send(stream.Op{Kind: stream.Bind, File: id, Parent: parent, Name: string(e.Name)})
	})
	if fd >= 0 {
		defer unix.Close(fd)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil // it was removed meanwhile
	}
	if err != nil {
		return err
	}
	defer func() { _ = v.s.peer.Send(stream.Op{Kind: stream.Forget, File: id}) }()
	if e.is(unix.S_IFDIR) {
		return v.directory(fd, at, id)
	}
	return v.file(fd, id, at)
}

// file compares the data of a file.
func (v *verifier) file(at int, id stream.FileID, name string) error {
	fd, err := unix.Open(path(at), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	j := &job{fd: at, id: id}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	for offset := int64(0); offset < st.Size; {
		var n int64
		var differ []extent
		for look := range looks {
			if look > 0 {
				if err := v.wait(); err != nil {
					return err
				}
			}
			if n, differ, err = v.s.compare(j, fd, offset, st.Size, v.lock); err != nil {
				return err
			}
			if len(differ) == 0 {
				break
			}
		}
		if len(differ) > 0 {
			v.found.note(name, fmt.Sprintf("holds other data at byte %d", differ[0].at))
			return nil
		}
		v.found.Bytes += n
		v.s.opts.Progress.add(func(f *Figures) { f.Done += n })
		offset += n
		if err := context.Cause(v.ctx); err != nil {
			return err
		}
		if err := v.s.allow(v.ctx, n); err != nil {
			return err
		}
	}
	return nil
}
