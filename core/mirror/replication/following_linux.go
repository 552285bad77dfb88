package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// following is a node that is secondary.
type following struct {
	r       *Replicator
	copies  *copies
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	shown   []string // where the copies can be read

	mu        sync.Mutex
	copied    core.Generation // told, and still so
	connected bool
	files     *replica.Replica // of the session
	end       func()           // ends the session
	due       bool             // see settle
	gens      mirror.Generations
	why       string // there is no session
}

// follow makes this node secondary.
func (r *Replicator) follow(o Order) (*following, error) {
	c, err := openCopies(r.opts, o.Full)
	if err == nil && o.Full && c.generations().Current != 0 {
		if err = c.store(mirror.Generations{}); err != nil {
			c.close()
		}
	}
	if err != nil {
		return nil, err
	}
	r.tell(c)
	f := &following{r: r, copies: c, gens: c.generations()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.show()
	f.running.Go(f.run)
	return f, nil
}

// stop ends it. Nothing is applied any more.
func (f *following) stop() error {
	f.cancel()
	f.running.Wait()
	f.copies.close()
	return f.hide()
}

// repeat tells again that the copy is complete: an order makes the state machine forget it.
func (f *following) repeat() {
	f.mu.Lock()
	copied := f.copied
	f.mu.Unlock()
	if copied != (core.Generation{}) {
		f.r.opts.Host.News(core.ReplicaCopied, copied, "")
	}
}

// Pauses between attempts to reach the primary.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// run dials the primary and follows it, again and again.
func (f *following) run() {
	pause := firstPause
	for f.ctx.Err() == nil {
		began := time.Now()
		f.settle()
		err := f.attempt()
		if f.ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		f.why = err.Error()
		f.mu.Unlock()
		f.r.opts.Log.Info("the primary is not followed", "module", f.r.opts.Module, "error", err)
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-f.ctx.Done():
		}
		pause = min(2*pause, lastPause)
	}
}

// attempt tries the addresses of the primary, and follows it over the first that works.
func (f *following) attempt() error {
	errs := []error{errors.New("no address of the primary answers")}
	for _, to := range f.r.opts.Addresses() {
		conn, err := f.dial(to)
		if err == nil {
			return f.session(conn, to)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (f *following) dial(to netip.AddrPort) (net.Conn, error) {
	mine := f.r.now().hello()
	mine.Purpose, mine.Generations = link.Follow, f.copies.generations()
	conn, _, err := link.Dial(f.ctx, to, f.r.opts.PeerName, f.r.opts.Identity(), mine, func(theirs link.Hello) error { return link.Check(mine, theirs) })
	return conn, err
}

// session follows the primary over a connection until that ends.
func (f *following) session(conn net.Conn, to netip.AddrPort) error {
	files, err := replica.Open(f.copies.data()...)
	if err != nil {
		conn.Close()
		return err
	}
	defer files.Close()
	now := f.r.now()
	files.KeepLocal(now.leavesOut())
	a := &applier{f: f, machine: mirror.NewSecondary(f.copies.generations()), Replica: files}
	ready := make(chan struct{})
	receiver, err := stream.NewReceiver(conn, a, stream.Options{Patience: now.Patience, SyncPatience: now.SyncPatience, Word: func(b []byte) { <-ready; a.hear(b) }})
	if err != nil {
		return err
	}
	a.receiver = receiver
	a.target = resync.NewTarget(files, resync.TargetOptions{
		Remove:   a.remove,
		PartSize: now.PartSize,
		Answer:   func(x resync.Answer) { receiver.Say(message{Answer: &x}.encode()) },
		Recorded: func(root stream.FileID) zones.Recorded { return f.copies.logs[folderOf(root)].Recorded() },
	})
	f.mu.Lock()
	f.connected, f.files, f.end = true, files, receiver.Close
	f.mu.Unlock()
	close(ready)
	ctx, ended := context.WithCancel(f.ctx)
	end := context.AfterFunc(f.ctx, receiver.Close)
	defer end()
	f.running.Go(func() {
		if f.dead(ctx, to) {
			receiver.Close()
		}
	})
	err = receiver.Run()
	ended()
	a.target.Close()
	a.syncs.Wait()
	a.save.close()
	if err == nil {
		err = errors.New("the primary has closed the connection")
	}
	f.lost(err)
	return err
}

// dead waits until the network of an address is dead and that of another is not. It answers
// false when the session ends before.
func (f *following) dead(ctx context.Context, to netip.AddrPort) bool {
	if f.r.opts.Alive == nil {
		return false
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for looks := 0; looks < 3; {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		looks++
		if f.r.opts.Alive(to) || !slices.ContainsFunc(f.r.opts.Addresses(), f.r.opts.Alive) {
			looks = 0
		}
	}
	return true
}

func folderOf(root stream.FileID) int { return int((root - stream.Root) >> 48) }

// lost tells that the copy does not follow any more.
func (f *following) lost(err error) {
	f.mu.Lock()
	f.copied, f.connected, f.files, f.end = core.Generation{}, false, nil, nil
	f.mu.Unlock()
	if f.ctx.Err() == nil {
		f.r.opts.Host.News(core.ReplicaLost, core.Generation{}, err.Error())
	}
}

// applier is the secondary's end of a session.
type applier struct {
	*replica.Replica
	f        *following
	machine  *mirror.Secondary
	receiver *stream.Receiver
	target   *resync.Target
	data     core.Generation // of the Join that is being followed
	syncs    sync.WaitGroup
	save     *saver // nil: nothing is set aside
}

// Apply carries out an operation. One that fails because of what names lead to shows
// that the copy is not what the primary took it for.
func (a *applier) Apply(op stream.Op) error {
	if a.save != nil {
		if err := a.save.before(op); err != nil {
			return err
		}
	}
	err := a.Replica.Apply(op)
	if err == nil && a.save != nil {
		err = a.save.after(op)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", a.where(op), err)
	for _, e := range []error{unix.ENOENT, unix.EEXIST, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.EINVAL, unix.ENODATA, replica.ErrUnknown} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %s", err, diverged)
		}
	}
	return err
}

// where is what an operation is about, in words.
func (a *applier) where(op stream.Op) string {
	id := op.File
	if op.Parent != 0 {
		id = op.Parent
	}
	fd, done, err := a.Use(id)
	if err != nil {
		return op.Name
	}
	defer done()
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return op.Name
	}
	return filepath.Join(path, op.Name)
}

// hear takes what the primary says, in its place among the operations.
func (a *applier) hear(b []byte) {
	m, err := decode(b)
	switch {
	case err != nil:
	case m.Word != nil:
		a.data = m.Data
		a.saveFrom(*m.Word)
		err = a.drive(mirror.Heard{Word: *m.Word})
	case m.Request != nil:
		err = a.target.Handle(*m.Request)
	case m.Sync != 0:
		a.syncs.Go(func() {
			if err := a.f.copies.sync(); err != nil {
				a.receiver.Fail(err)
				return
			}
			a.receiver.Say(m.encode())
		})
	}
	if err != nil {
		a.receiver.Fail(err)
	}
}

// saveFrom begins to set aside what is overwritten, if the primary says so.
func (a *applier) saveFrom(w mirror.Word) {
	if w.Topic != mirror.Fill {
		return
	}
	a.save.close()
	a.save = nil
	if w.Save {
		a.save = newSaver(a.Replica, a.f.copies.places, a.f.copies.saving)
		a.f.copies.saving = a.save.name
	}
}

// remove is what resync is to do with what the primary does not have.
func (a *applier) remove(fd int, name string) error {
	if a.save != nil {
		return a.save.remove(fd, name)
	}
	return resync.RemoveAll(fd, name)
}

// drive lets the machine take an event, and carries out what it wants.
func (a *applier) drive(e mirror.Event) error {
	for events := []mirror.Event{e}; len(events) > 0; events = events[1:] {
		for _, effect := range a.machine.Step(events[0]) {
			next, err := a.carryOut(effect)
			if err != nil {
				return err
			}
			if next != nil {
				events = append(events, next)
			}
		}
	}
	return nil
}

func (a *applier) carryOut(effect mirror.Effect) (mirror.Event, error) {
	switch e := effect.(type) {
	case mirror.Store:
		return mirror.Stored{}, a.store(e.Generations)
	case mirror.Sync:
		return mirror.Synced{}, a.f.copies.sync()
	case mirror.Say:
		a.receiver.Say(message{Word: &e.Word}.encode())
		if e.Word.Topic == mirror.Joined {
			a.f.joined(a.data)
		}
	}
	return nil, nil
}

// store makes generations durable. Before the copy becomes a mixture of two, the state
// machine knows that it is none to go on with; when it is complete, nothing is left that the
// primary would have to know of.
func (a *applier) store(g mirror.Generations) error {
	if g.Inconsistent() {
		a.f.mu.Lock()
		a.f.copied = core.Generation{}
		a.f.mu.Unlock()
		a.f.r.opts.Host.News(core.ReplicaCopying, core.Generation{}, "")
	}
	if !g.Inconsistent() {
		a.f.copies.forgetSaving()
	}
	if err := a.f.copies.store(g); err != nil {
		return err
	}
	a.f.mu.Lock()
	a.f.gens = g
	a.f.mu.Unlock()
	if g.Inconsistent() {
		return nil
	}
	if a.save != nil && a.save.saved > 0 {
		a.f.r.opts.Host.Note("warn", fmt.Sprintf("What only this copy had was set aside before it was overwritten: %d files, in %s.", a.save.saved, strings.Join(a.save.dirs(), ", ")))
	}
	a.save.end()
	a.save = nil
	for _, l := range a.f.copies.logs {
		if err := errors.Join(l.Merge(), l.Clear()); err != nil {
			return err
		}
	}
	return nil
}

// joined tells that the copy is complete.
func (f *following) joined(data core.Generation) {
	f.mu.Lock()
	f.copied = data
	f.mu.Unlock()
	f.r.opts.Host.News(core.ReplicaCopied, data, "")
}
