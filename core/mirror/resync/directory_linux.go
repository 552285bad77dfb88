package resync

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// directory is one whose names are brought in order.
type directory struct {
	fd    int
	inode uint64
	at    string
	id    stream.FileID
	below bool // all that is below it is compared, too

	putOff []string // names that the copy lacks, of files with several
	end    bool     // nothing is put off any more
}

// directory makes the names in a directory lead to the same.
func (p *pass) directory(d *directory) error {
	err := inParts(func(part Part) (uint32, error) {
		parts, err := p.part(d, part)
		if err == nil && parts > 0 && !p.everything {
			err = p.holdAll(d) // before anything is done
		}
		return parts, err
	})
	d.end = true
	for _, name := range d.putOff {
		if err == nil {
			err = p.name(d, name, nil)
		}
	}
	return err
}

// part does that for a part of the names.
func (p *pass) part(d *directory, part Part) (parts uint32, err error) {
	if err := context.Cause(p.ctx); err != nil {
		return 0, err
	}
	here, parts, err := p.entries(d.fd, d.at, part)
	if err != nil || parts > 0 {
		return parts, err
	}
	a, err := p.s.ask(Request{List: d.id, Part: part})
	if err != nil {
		return 0, fmt.Errorf("ask the peer what is in %q: %w", d.at, err)
	}
	if a.Parts > 0 {
		return a.Parts, nil
	}
	there := map[string]*Entry{}
	for i, e := range a.Entries {
		there[string(e.Name)] = &a.Entries[i]
	}
	if err := p.surplus(d, here, there); err != nil {
		return 0, err
	}
	p.hold(d, here, there)
	p.miss(d.inode, part, here)
	for name := range here {
		if err := p.name(d, name, there[name]); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// entries are the names in a part of a directory that are replicated, and whether they lead to
// directories.
func (p *pass) entries(fd int, at string, part Part) (here map[string]bool, parts uint32, err error) {
	list, parts, err := names(fd, part, p.s.opts.PartSize)
	if err != nil && !gone(err) {
		return nil, 0, err
	}
	here = map[string]bool{}
	for _, d := range list {
		if dir := d.kind == unix.DT_DIR; !p.skipped(join(at, d.name), dir) {
			here[d.name] = dir
		}
	}
	return here, parts, nil
}

// surplus has removed what is there only.
func (p *pass) surplus(d *directory, here map[string]bool, there map[string]*Entry) error {
	for name, e := range there {
		if _, ok := here[name]; ok || p.skipped(join(d.at, name), e.is(unix.S_IFDIR)) {
			continue
		}
		if err := p.remove(d.id, name); err != nil {
			return err
		}
	}
	return nil
}

// child is a name in a directory.
type child struct {
	dir  uint64
	name string
}

// hold notes the directories that the copy has, too: before one of them is looked into, as what it
// lacks there it may have in another.
func (p *pass) hold(d *directory, here map[string]bool, there map[string]*Entry) {
	for name, dir := range here {
		if e := there[name]; !p.everything && dir && e != nil && e.is(unix.S_IFDIR) {
			p.held[child{d.inode, name}] = true
		}
	}
}

// holdAll does that for a directory that is taken in parts.
func (p *pass) holdAll(d *directory) error {
	here := map[string]bool{}
	err := each(d.fd, func(e dirent) error {
		if e.kind == unix.DT_DIR {
			here[e.name] = true
		}
		return nil
	})
	if err != nil && !gone(err) || len(here) == 0 {
		return err
	}
	a, err := p.s.ask(Request{List: d.id, Dirs: true})
	if err != nil {
		return fmt.Errorf("ask the peer for the directories in %q: %w", d.at, err)
	}
	there := map[string]*Entry{}
	for i, e := range a.Entries {
		there[string(e.Name)] = &a.Entries[i]
	}
	p.hold(d, here, there)
	return nil
}

// miss notes the places in a directory whose names are not there any more.
func (p *pass) miss(dir uint64, part Part, here map[string]bool) {
	for _, at := range p.below[dir] {
		if _, ok := here[at.name]; !ok && part.has([]byte(at.name)) {
			p.missed[at] = true
		}
	}
}

// moved says that a name was not there any more when its directory's, or that of one above
// it, were brought in order: the copy does not have it.
func (p *pass) moved(at *place) bool {
	for ; at != nil; at = at.parent {
		if p.missed[at] {
			return true
		}
	}
	return false
}

// index notes where what is marked is.
func (p *pass) index() (all []*place, err error) {
	if p.places, err = p.s.walked.index(p.s.root, p.marked, p.s.opts.Skip); err != nil {
		return nil, fmt.Errorf("look for what was changed: %w", err)
	}
	known := map[*place]bool{}
	for _, places := range p.places {
		all = append(all, places...)
		for _, at := range places {
			for ; at.parent != nil && !known[at]; at = at.parent {
				known[at] = true
				p.below[at.parent.inode] = append(p.below[at.parent.inode], at)
			}
		}
	}
	return all, nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (p *pass) skipped(path string, dir bool) bool {
	return p.s.opts.Skip != nil && p.s.opts.Skip(path, dir)
}
