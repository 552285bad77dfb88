package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Verification is the outcome of comparing both copies.
type Verification struct {
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took"`
	Complete bool          `json:"complete"`
	Error    string        `json:"error,omitempty"`
	resync.Comparison
}

// Errors of questions that this node cannot answer now.
var (
	ErrNotPrimary   = errors.New("this node is not primary")
	ErrNotMirroring = errors.New("the secondary is not up to date: there is nothing to compare with")
	ErrVerifying    = errors.New("a comparison is going on")
)

// Verify compares both copies, while the application goes on, and changes nothing. The
// outcome is kept.
func (r *Replicator) Verify(ctx context.Context) (Verification, error) {
	s := r.serves()
	if s == nil {
		return Verification{}, ErrNotPrimary
	}
	sess := s.current()
	if sess == nil || s.recorder.State() != mirror.Mirroring {
		return Verification{}, ErrNotMirroring
	}
	if !s.verifying.TryLock() {
		return Verification{}, ErrVerifying
	}
	defer s.verifying.Unlock()
	done, ok := s.use()
	if !ok {
		return Verification{}, ErrNotPrimary
	}
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := context.AfterFunc(sess.ctx, func() { cancel(context.Cause(sess.ctx)) })
	defer end()
	v := Verification{At: time.Now()}
	progress := resync.NewProgress()
	s.compares(progress)
	defer s.compares(nil)
	for i, root := range s.roots {
		m := s.mounts[i]
		found, err := s.source(sess, i, root, progress).Verify(ctx, m.Names, m.Exclusive)
		v.add(found, s.copies.places[i].Dir)
		if err != nil {
			v.Error = err.Error()
			break
		}
	}
	v.Took, v.Complete = time.Since(v.At), v.Error == ""
	return v, s.copies.keep(v)
}

// compares notes how far a comparison is, for the status; nil: there is none.
func (s *serving) compares(p *resync.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.comparing = p
}

// add adds what was found in a folder.
func (v *Verification) add(c resync.Comparison, dir string) {
	v.Files, v.Bytes, v.Different = v.Files+c.Files, v.Bytes+c.Bytes, v.Different+c.Different
	for _, d := range c.Differences {
		d.Path = filepath.Join(dir, d.Path)
		v.Differences = append(v.Differences, d)
	}
}

func (c *copies) verification() string { return filepath.Join(c.places[0].behind(), "verify.json") }

// keep keeps the outcome of a comparison.
func (c *copies) keep(v Verification) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(c.verification(), append(b, '\n'))
}

// LastVerification is what was kept last on this node; nil if nothing was.
func (r *Replicator) LastVerification() *Verification {
	b, err := os.ReadFile((&copies{places: r.opts.places()}).verification())
	var v Verification
	if err != nil || json.Unmarshal(b, &v) != nil {
		return nil
	}
	return &v
}

// Estimate is what a resynchronisation would have to compare.
type Estimate struct {
	Everything bool  `json:"everything"`
	Files      int64 `json:"files"`
	Bytes      int64 `json:"bytes"` // that would be compared; of them what differs would be sent
	// Took is how long that would take at the speed of the last one, or at that which the limit
	// allows; 0 if nothing is known.
	Took time.Duration `json:"took,omitempty"`
}

// Estimate adds up what is recorded for the secondary, on a primary without it.
func (r *Replicator) Estimate() (Estimate, error) {
	s := r.serves()
	if s == nil {
		return Estimate{}, ErrNotPrimary
	}
	e, err := s.estimate()
	if err != nil {
		return Estimate{}, err
	}
	e.Took = e.took(r.speed.Load(), int64(r.now().Limit))
	return e, nil
}

// took is the time at a speed and with a limit for bytes, of those that are known.
func (e Estimate) took(speed, limit int64) time.Duration {
	seconds := 0.0
	if speed > 0 {
		seconds = float64(resync.Cost(e.Files, e.Bytes)) / float64(speed)
	}
	if limit > 0 { // more is compared than is sent: this is the most it takes
		seconds = max(seconds, float64(e.Bytes)/float64(limit))
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second)
}

// estimate looks through the folders, which may take a while: the service does not wait for it
// when it ends.
func (s *serving) estimate() (e Estimate, err error) {
	done, ok := s.use()
	if !ok {
		return Estimate{}, ErrNotPrimary
	}
	roots, recorded := make([]int, len(s.roots)), make([]zones.Recorded, len(s.roots))
	for i, root := range s.roots {
		recorded[i] = s.copies.logs[i].Recorded()
		fd, failed := unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 0)
		if err = errors.Join(err, failed); failed == nil {
			defer unix.Close(fd)
		}
		roots[i] = fd
	}
	done()
	for i := range roots {
		if err == nil {
			err = e.add(roots[i], recorded[i])
		}
		if err != nil {
			return Estimate{}, fmt.Errorf("look through %s: %w", s.copies.places[i].Dir, err)
		}
	}
	return e, nil
}

func (e *Estimate) add(root int, r zones.Recorded) error {
	files := map[uint64]int64{} // bytes of zones; -1: all
	for _, z := range append(r.Dirty, r.Active...) {
		switch {
		case z.Index == zones.Whole:
			files[z.Inode] = -1
		case z.Index == zones.Names || files[z.Inode] < 0:
			files[z.Inode] += 0
		default:
			files[z.Inode] += zoneSize
		}
	}
	e.Everything = e.Everything || r.Everything
	return resync.Walk(root, func(st *unix.Stat_t) {
		zones, recorded := files[st.Ino]
		if !recorded && !r.Everything {
			return
		}
		e.Files++
		switch {
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
		case r.Everything || zones < 0:
			e.Bytes += st.Size
		default:
			e.Bytes += min(zones, st.Size)
		}
	})
}

// source is for one folder in a session.
func (s *serving) source(sess *session, i, root int, p *resync.Progress) *resync.Source {
	now := s.r.now()
	return resync.NewSource(root, sess, resync.Options{
		Root: stream.RootOf(i), ZoneSize: zoneSize, Workers: now.Workers, PartSize: now.PartSize, Limit: s.limit,
		Skip: now.Folders[i].Rules.Local, Progress: p,
	})
}
