package primary

import (
	"errors"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Folder is one of the directories whose operations go into the same stream, in one order.
// It satisfies fs.Recorder.
type Folder struct {
	r     *Recorder
	zones *zones.Log
	base  stream.FileID // what the peer sees its files' ids with

	mu      sync.Mutex
	touched map[zones.Zone]struct{} // nil: nobody wants to know
}

// Add adds a folder, whose zones are recorded in log, before anything is recorded. The
// peer sees its files with ids that begin at stream.RootOf.
func (r *Recorder) Add(log *zones.Log) *Folder {
	f := &Folder{r: r, zones: log, base: stream.RootOf(len(r.folders)) - stream.Root}
	r.folders = append(r.folders, f)
	return f
}

// Folders are those added, the Recorder's own first.
func (r *Recorder) Folders() []*Folder { return r.folders }

// Session is the Recorder's.
func (f *Folder) Session() uint64 { return f.r.Session() }

// Diverged says that the peer's copy of inode cannot be made right by the stream: it is
// dirty from now on, and the session ends.
func (f *Folder) Diverged(inode uint64, _ error) {
	list := []zones.Zone{{Inode: inode, Index: zones.Whole}, {Inode: inode, Index: zones.Names}}
	f.touch(list)
	// Active, too: that outlives a Clear which is under way.
	if err := errors.Join(f.zones.MarkZonesActive(list...), f.zones.MarkZonesDirty(list...)); err != nil {
		f.r.fail(err)
	}
	f.r.mu.Lock()
	sender := f.r.sender
	f.r.mu.Unlock()
	if sender != nil {
		sender.Close()
	}
}

// Record takes an operation before the file system carries it out or, as fs says,
// answers it. It waits while nothing may be written, and while the window is full. That
// operations begin to be sent while it runs is ruled out by Between; that they cease to be
// is noticed by Send.
func (f *Folder) Record(op stream.Op, inodes ...uint64) (interface{ Wait() error }, error) {
	r := f.r
	for {
		sender, err := r.admit()
		if err != nil {
			return nil, err
		}
		if err := f.mark(sender != nil, op, inodes); err != nil {
			r.fail(err)
			return nil, err
		}
		if sender == nil {
			return receipt{r: r}, nil
		}
		level := stream.Mode(r.mode.Load()).Wait(op.Kind)
		ticket, err := sender.Put(f.theirs(op), level)
		if err == nil {
			return receipt{r, ticket, level, true}, nil
		}
		if sender.Err() == nil {
			return nil, err // not the session's end: op is malformed
		}
		r.await(sender)
	}
}

// theirs is op with the ids that the peer knows.
func (f *Folder) theirs(op stream.Op) stream.Op {
	if f.base != 0 {
		op.File, op.Parent, op.NewParent = op.File+f.base, op.Parent+f.base, op.NewParent+f.base
	}
	return op
}

// mark records the zones that op changes.
func (f *Folder) mark(connected bool, op stream.Op, inodes []uint64) error {
	var list []zones.Zone
	if op.Kind == stream.Write {
		list = f.zones.Zones(inodes[0], op.Offset, int64(len(op.Data)))
	} else {
		list = changed(op, inodes)
	}
	f.touch(list)
	if connected {
		return f.zones.MarkZonesActive(list...)
	}
	return f.zones.MarkZonesDirty(list...)
}

// touch notes zones for Touched.
func (f *Folder) touch(list []zones.Zone) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.touched == nil {
		return
	}
	for _, z := range list {
		f.touched[z] = struct{}{}
	}
}

// Touched answers the zones that were changed since the last call, and goes on noting
// them if more is wanted. Called between operations, it misses none.
func (f *Folder) Touched(more bool) (list []zones.Zone) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for z := range f.touched {
		list = append(list, z)
	}
	f.touched = nil
	if more {
		f.touched = map[zones.Zone]struct{}{}
	}
	return list
}

// changed are the zones of what op changes besides data. inodes are those of the
// directories whose names change and then of the files that get a name, or else the file's:
// a file under a new name is recorded as a whole, so that in a directory the other names
// are known to lead to what they did.
func changed(op stream.Op, inodes []uint64) (list []zones.Zone) {
	directories := 0
	switch op.Kind {
	case stream.Bind, stream.Forget, stream.Fsync, stream.Word, stream.Ping:
		return nil
	case stream.Create, stream.Symlink, stream.Tmpfile, stream.Link, stream.Unlink, stream.Rmdir:
		directories = 1
	case stream.Rename:
		directories = 2
	}
	whole := op.Kind == stream.Fallocate || op.Kind == stream.SetAttr && op.Flags&stream.AttrSize != 0
	for i, n := range inodes {
		list = append(list, zones.Zone{Inode: n, Index: zones.Names}) // names, or attributes
		if whole || directories > 0 && i >= directories {
			list = append(list, zones.Zone{Inode: n, Index: zones.Whole})
		}
	}
	return list
}
