package resync

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// job is a file whose data is to be compared. The copy knows it as id.
type job struct {
	fd     int // O_PATH
	id     stream.FileID
	shared bool // id is forgotten with the pass
	ranges []extent
	fresh  bool // the copy's is empty: nothing is to be compared
}

// file does the attributes of a file that was introduced as id, and leaves its data to a
// job: all, or the zones that are marked. there is what it is in the copy, if that is
// known. shared says that id is used further.
func (p *pass) file(fd int, e Entry, id stream.FileID, there *Entry, whole, shared bool) error {
	p.s.opts.Progress.add(func(f *Figures) { f.Files++ })
	if err := p.s.attributes(fd, e, id, there); err != nil {
		return err
	}
	j := &job{fd: -1, id: id, shared: shared}
	if e.is(unix.S_IFREG) {
		j.fresh = there != nil && there.Inode == 0
		j.ranges = p.ranges(e, whole)
	}
	var err error
	if j.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return err
	}
	if !p.everything {
		p.s.opts.Progress.add(func(f *Figures) {
			f.Known++
			for _, x := range j.ranges {
				f.Total += x.end - x.at
			}
		})
	}
	p.emit(j)
	return nil
}

// ranges are those of a file's data that are to be compared.
func (p *pass) ranges(e Entry, whole bool) (list []extent) {
	if whole {
		return []extent{{at: 0, end: e.Size}}
	}
	size := p.s.opts.ZoneSize
	for _, i := range p.marked[e.Inode] {
		if i < zones.Whole {
			at := int64(i) * size
			if end := min(at+size, e.Size); at < end {
				list = append(list, extent{at: at, end: end})
			}
		}
	}
	return list
}

// let lets go of a job's file.
func (s *Source) let(j *job) {
	unix.Close(j.fd)
	if !j.shared {
		_ = s.peer.Send(stream.Op{Kind: stream.Forget, File: j.id}) // the session's end says more
	}
}

// finish compares and sends the data, and then the times and what writing has cleared.
func (s *Source) finish(ctx context.Context, j *job, lock Lock) error {
	if len(j.ranges) == 0 {
		return lock(j.fd, func() error { return s.times(j) })
	}
	fd, err := unix.Open(path(j.fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, r := range j.ranges {
		for at := r.at; at < r.end; {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			n, err := s.piece(ctx, j, fd, at, r.end, lock)
			if err != nil {
				return err
			}
			s.opts.Progress.add(func(f *Figures) { f.Done += n })
			at += n
		}
	}
	return lock(j.fd, func() error {
		if err := s.capabilities(j); err != nil {
			return err
		}
		return s.times(j)
	})
}

// piece brings in order what begins at, a hole or a chunk of data, and answers how much
// that was.
func (s *Source) piece(ctx context.Context, j *job, fd int, at, end int64, lock Lock) (int64, error) {
	if j.fresh {
		n := min(end-at, chunk)
		return n, s.put(ctx, j, fd, at, at+n, lock)
	}
	n, list, err := s.compare(j, fd, at, end, lock)
	for _, x := range list {
		if err == nil {
			err = s.put(ctx, j, fd, x.at, x.end, lock)
		}
	}
	return n, err
}

// compare compares what begins at, a hole or a chunk of data, and answers how much that was
// and what of it differs.
func (s *Source) compare(j *job, fd int, at, end int64, lock Lock) (int64, []extent, error) {
	c := Check{File: j.id, Offset: at, Length: end - at}
	var wait func() (Answer, error)
	err := lock(j.fd, func() error {
		x, ok, err := next(fd, at, end)
		if err != nil || !ok { // the file has become shorter, there as well
			return err
		}
		c.Length = x.end - at
		if !x.hole {
			data, err := read(fd, make([]byte, min(c.Length, chunk)), at)
			if err != nil || len(data) == 0 {
				return err
			}
			c.Length, c.Sums = int64(len(data)), sums(data)
		}
		wait, err = s.peer.Post(Request{Check: &c})
		return err
	})
	if err != nil || wait == nil {
		return c.Length, nil, err
	}
	a, err := answer(wait)
	return c.Length, differing(c, a.Differs), err
}

// differing are the ranges of a check that differ.
func differing(c Check, bits []byte) (list []extent) {
	if len(c.Sums) == 0 {
		if bit(bits, 0) {
			list = []extent{{at: c.Offset, end: c.Offset + c.Length}}
		}
		return list
	}
	for i := range len(c.Sums) / sumSize {
		at := c.Offset + int64(i)*Block
		end := min(at+Block, c.Offset+c.Length)
		switch n := len(list); {
		case !bit(bits, i):
		case n > 0 && list[n-1].end == at:
			list[n-1].end = end
		default:
			list = append(list, extent{at: at, end: end})
		}
	}
	return list
}

// allow waits until n bytes may be used.
func (s *Source) allow(ctx context.Context, n int64) error {
	if s.opts.Limit == nil {
		return nil
	}
	for most := int64(s.opts.Limit.Burst()); n > 0; n -= most { // no more can be asked for at once
		if err := s.opts.Limit.WaitN(ctx, int(min(n, most))); err != nil {
			return err
		}
	}
	return nil
}

// put sends what is in a range now.
func (s *Source) put(ctx context.Context, j *job, fd int, at, end int64, lock Lock) error {
	buf := make([]byte, min(end-at, chunk))
	for at < end {
		size := min(end-at, chunk)
		if err := s.allow(ctx, size); err != nil {
			return err
		}
		err := lock(j.fd, func() error {
			x, ok, err := next(fd, at, end)
			if err != nil || !ok {
				at = end
				return err
			}
			if x.hole {
				if at = x.end; j.fresh {
					return nil
				}
				return s.peer.Send(stream.Op{Kind: stream.Fallocate, File: j.id, Flags: unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, Offset: x.at, Size: x.end - x.at})
			}
			data, err := read(fd, buf[:min(x.end-x.at, chunk)], x.at)
			if err != nil {
				return err
			}
			if at = x.at + int64(len(data)); len(data) == 0 {
				at = end
				return nil
			}
			s.opts.Progress.add(func(f *Figures) { f.Sent += int64(len(data)) })
			return s.peer.Send(stream.Op{Kind: stream.Write, File: j.id, Offset: x.at, Data: data})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
