package resync

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

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
	whole := p.isMarked(at.inode, zones.Whole)
	p.visited[at.inode] = true
	if !directories && !e.several() {
		return p.single(at, fd, e, whole)
	}
	id, err := p.bind(at)
	if err != nil {
		return err
	}
	if !directories {
		return p.file(fd, e, id, nil, whole, true)
	}
	if err := p.s.attributes(fd, e, id, nil); err != nil {
		return err
	}
	return p.directory(&directory{fd: fd, inode: e.Inode, at: at.path(), id: id, below: whole})
}

// single does a file that nothing else leads to, so that the peer may forget it soon.
func (p *pass) single(at *place, fd int, e Entry, whole bool) error {
	dir, err := p.bind(at.parent)
	if err != nil {
		return err
	}
	id := p.s.id()
	if err := p.s.peer.Send(stream.Op{Kind: stream.Bind, File: id, Parent: dir, Name: at.name}); err != nil {
		return err
	}
	return p.file(fd, e, id, nil, whole, false)
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
