package resync

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

func (p *pass) remove(parent stream.FileID, name string) error {
	_, err := p.s.peer.Post(Request{Remove: &Remove{parent, []byte(name)}})
	return err
}

// name makes one name in a directory lead to the same; there is what it leads to in the
// copy, if anything.
func (p *pass) name(d *directory, name string, there *Entry) error {
	err := p.nameIn(d, name, there)
	if err == nil || errors.As(err, new(*fs.PathError)) { // it says what it is about: a name below this one
		return err
	}
	return &fs.PathError{Op: "compare", Path: join(d.at, name), Err: err}
}

func (p *pass) nameIn(d *directory, name string, there *Entry) error {
	fd, err := reach(d.fd, name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	e, err := entryOf(fd, name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if there == nil && e.several() && !d.end && len(d.putOff) < p.s.opts.PartSize {
		d.putOff = append(d.putOff, name) // the copy may have it under a name that comes later
		return nil
	}
	if there != nil && !p.everything && e.several() {
		p.held[child{d.inode, name}] = true
	}
	whole := d.below || p.isMarked(e.Inode, zones.Whole)
	if _, linked := p.links[e.Inode]; e.several() && (whole || linked) {
		done, err := p.link(fd, e, d.id, name, there)
		if done || err != nil {
			return err
		}
	}
	if there != nil && !p.keeps(e, *there, whole) {
		if err := p.remove(d.id, name); err != nil {
			return err
		}
		there = nil
	}
	if there != nil && !whole {
		switch {
		case p.marked[e.Inode] != nil: // it is done by itself
			return nil
		case e.sameAttributes(*there) && e.Size == there.Size:
			return nil
		}
	}
	return p.enter(d, fd, e, there, whole)
}

// enter introduces the file of fd to the copy, which has it as there or gets it made, and does what is in it.
func (p *pass) enter(d *directory, fd int, e Entry, there *Entry, whole bool) error {
	id := p.s.id()
	op := stream.Op{Kind: stream.Bind, File: id, Parent: d.id, Name: string(e.Name)}
	fresh := there == nil
	if fresh {
		op = create(e, id, d.id)
		there = born(e, d.fd)
	}
	if err := p.s.peer.Send(op); err != nil {
		return err
	}
	if e.is(unix.S_IFDIR) {
		return p.into(&directory{fd: fd, inode: e.Inode, at: join(d.at, string(e.Name)), id: id, below: true}, e, there, whole || fresh)
	}
	if e.several() {
		p.links[e.Inode] = linked{id, there.Inode}
		p.keep = append(p.keep, id)
	}
	p.visit(e.Inode)
	return p.file(fd, e, id, there, true, e.several())
}

// visit notes that what is recorded of an inode was done; of everything nothing is.
func (p *pass) visit(inode uint64) {
	if !p.everything {
		p.visited[inode] = true
	}
}

// born is a file as the copy has it when it was made like e in a directory.
func born(e Entry, dir int) *Entry {
	e.Inode, e.Links, e.Size, e.Xattrs = 0, 0, 0, nil
	if size, err := unix.Getxattr(path(dir), "system.posix_acl_default", nil); err == nil && size > 0 {
		e.Xattrs = []byte("inherited")
	}
	return &e
}

// into does a directory that was introduced, and all below if that is to be.
func (p *pass) into(d *directory, e Entry, there *Entry, whole bool) error {
	if err := p.s.attributes(d.fd, e, d.id, there); err != nil {
		return err
	}
	if whole {
		p.visit(e.Inode)
		if err := p.directory(d); err != nil {
			return err
		}
	}
	return p.s.peer.Send(stream.Op{Kind: stream.Forget, File: d.id})
}

// keeps says that the file there can become e, of which nothing is known if it is
// compared as a whole.
func (p *pass) keeps(e, there Entry, whole bool) bool {
	if !e.sameFile(there) {
		return false
	}
	if !whole || e.is(unix.S_IFDIR) || there.Links < 2 {
		return true
	}
	// What has several names there must have them here, too, and the same ones: which,
	// is known only when all are looked at.
	if by, ok := p.claimed[there.Inode]; !p.everything || e.Links < 2 || ok && by != e.Inode {
		return false
	}
	p.claimed[there.Inode] = e.Inode
	return true
}

// link gives a name to the file of fd, which the copy has under another, and reports whether
// that was it.
func (p *pass) link(fd int, e Entry, parent stream.FileID, name string, there *Entry) (bool, error) {
	l, ok := p.links[e.Inode]
	if !ok {
		var err error
		if l, ok, err = p.elsewhere(fd, e); err != nil {
			return false, err
		}
	}
	if !ok {
		return false, nil
	}
	if there != nil {
		if there.Inode == l.inode {
			return true, nil
		}
		if err := p.remove(parent, name); err != nil {
			return false, err
		}
	}
	return true, p.s.peer.Send(stream.Op{Kind: stream.Link, File: l.id, Parent: parent, Name: name})
}

// elsewhere looks for another name of the file of fd, under which the copy has it.
func (p *pass) elsewhere(fd int, e Entry) (linked, bool, error) {
	places, err := p.placesOf(e.Inode)
	if err != nil {
		return linked{}, false, err
	}
	for _, at := range places {
		if !p.trusted(at) {
			continue
		}
		id, err := p.bind(at)
		if err != nil {
			return linked{}, false, err
		}
		l := linked{id: id}
		p.links[e.Inode] = l
		if !p.isMarked(e.Inode, zones.Whole) {
			return l, true, nil // what else is to be done is done by itself
		}
		p.visited[e.Inode] = true
		return l, true, p.file(fd, e, id, nil, true, true)
	}
	return linked{}, false, nil
}

// placesOf are the names of a file with several.
func (p *pass) placesOf(inode uint64) ([]*place, error) {
	if places := p.places[inode]; places != nil || p.everything {
		return places, nil
	}
	if p.several == nil {
		var err error
		if p.several, err = severals(p.s.root, p.s.opts.Skip); err != nil {
			return nil, fmt.Errorf("look for hard links: %w", err)
		}
	}
	return p.several[inode], nil
}

// trusted says that the copy has the same under this name: nothing was recorded that
// would have changed that.
func (p *pass) trusted(at *place) bool {
	if at.parent == nil {
		return true
	}
	if p.isMarked(at.parent.inode, zones.Names) && (!p.held[child{at.parent.inode, at.name}] || p.isMarked(at.inode, zones.Whole)) {
		return false
	}
	for dir := at.parent; dir != nil; dir = dir.parent {
		if p.isMarked(dir.inode, zones.Whole) {
			return false
		}
	}
	return p.trusted(at.parent)
}

// create makes a file like e, without its content.
func create(e Entry, id, parent stream.FileID) stream.Op {
	op := stream.Op{
		Kind: stream.Create, File: id, Parent: parent, Name: string(e.Name), Mode: e.Mode, UID: e.UID, GID: e.GID, Rdev: e.Rdev, Mtime: e.Mtime,
	}
	if e.is(unix.S_IFLNK) {
		op.Kind, op.Data = stream.Symlink, e.Target
	}
	return op
}
