package replication

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// copies are a module's folders on this node with their records.
type copies struct {
	places []Place
	logs   []*zones.Log
	saving string   // see record
	added  []int    // folders that were not replicated before
	memory string   // file that knows the serial apart from the copies; may be ""
	notes  []string // for operators

	mu      sync.Mutex // held while records change
	records []record
}

// openCopies reads the records of all folders, which must agree. With anew, records that
// are no use are begun anew: nothing is known of the data then.
func openCopies(o Options, anew bool) (*copies, error) {
	cluster, module, places := o.Cluster, o.Module, o.places()
	c := &copies{places: places, records: make([]record, len(places)), memory: o.Memory}
	var err error
	for i, p := range places {
		if err := p.Prepare(); err != nil {
			return nil, err
		}
		r, err := c.read(p, cluster, module)
		if bad := (*RecordError)(nil); errors.As(err, &bad) && anew {
			r, err = record{}, nil
		}
		if err != nil {
			return nil, err
		}
		r.Cluster, r.Module, r.Folder = cluster, module, p.Dir
		if r.Origin, err = originOf(p.Data()); err != nil {
			return nil, err
		}
		c.records[i] = r
	}
	c.saving = c.records[0].Saving
	if err := c.agree(); err != nil {
		if !anew {
			return nil, err
		}
		for i := range c.records {
			c.records[i].Generations = mirror.Generations{}
		}
	}
	for i := range c.records {
		c.records[i].Folders = dirsOf(places)
	}
	written := make([]time.Time, len(places))
	for i, p := range places {
		if written[i], err = lastWritten(p.Zones()); err != nil {
			return nil, err
		}
	}
	if err := c.openZones(); err != nil {
		return nil, err
	}
	if err := c.leaveOut(o.Folders); err != nil {
		c.close()
		return nil, err
	}
	if g := c.generations(); g.Primary && g.Unclean {
		if err := c.crashed(written); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// crashed marks what a primary may have changed at the moment when it crashed: names and
// attributes are recorded just after they were changed. Before that the record was written
// last at a time; what has changed since, by the clock of this node's own files, is looked for.
func (c *copies) crashed(written []time.Time) error {
	for i, p := range c.places {
		log := c.logs[i]
		var list []zones.Zone
		err := resync.ChangedSince(p.Data(), written[i].Add(-time.Second), func(inode uint64) {
			list = append(list, zones.Zone{Inode: inode, Index: zones.Names}, zones.Zone{Inode: inode, Index: zones.Whole})
		})
		if err == nil {
			err = log.MarkZonesDirty(list...)
		}
		if err != nil {
			return fmt.Errorf("look for what was changed last in %s: %w", p.Data(), err)
		}
	}
	return nil
}

// lastWritten is when something in a directory was written last.
func lastWritten(dir string) (last time.Time, err error) {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		if st, err := e.Info(); err == nil && st.ModTime().After(last) {
			last = st.ModTime()
		}
	}
	return last, err
}

// read reads the record of one folder and judges whether it is about this copy.
func (c *copies) read(p Place, cluster, module string) (record, error) {
	r, err := readRecord(p.state())
	if missing(err) {
		return record{}, nil // a new copy
	}
	if err != nil {
		return record{}, err
	}
	here, err := originOf(p.Data())
	if err != nil {
		return record{}, err
	}
	bad := func(format string, args ...any) (record, error) {
		return record{}, &RecordError{p.state(), fmt.Sprintf(format, args...)}
	}
	switch {
	case r.Cluster != cluster:
		return bad("belongs to another cluster (%s)", r.Cluster)
	case r.Module != module || r.Folder != p.Dir:
		return bad("belongs to %s of module %s", r.Folder, r.Module)
	case r.Origin != here:
		return bad("was written about another directory: the copy was restored from a backup, or moved")
	}
	return r, nil
}

// agree makes the records of all folders the same. They were changed one after the
// other, and a crash may have come between. A folder that was added since begins where the
// others are; all of it is to be compared.
func (c *copies) agree() error {
	latest := 0
	for i, r := range c.records {
		if r.Serial > c.records[latest].Serial {
			latest = i
		}
	}
	top := c.records[latest]
	if known, err := readMemory(c.memory); err != nil {
		return err
	} else if known > top.Serial {
		return &RecordError{c.places[latest].state(), fmt.Sprintf("is older than what this node knows (%d, %d), or missing: the disk was exchanged, or set back to an older state", top.Serial, known)}
	}
	for i, r := range c.records {
		switch {
		case r.Serial+1 >= top.Serial:
		case r.Serial == 0 && !slices.Contains(top.Folders, c.places[i].Dir):
			c.added = append(c.added, i)
		default:
			return &RecordError{c.places[i].state(), fmt.Sprintf("is older than %s (%d, %d), or missing", c.places[latest].state(), r.Serial, top.Serial)}
		}
	}
	for i := range c.records {
		c.records[i].Serial, c.records[i].Generations = top.Serial, top.Generations
	}
	return nil
}

func dirsOf(places []Place) (list []string) {
	for _, p := range places {
		list = append(list, p.Dir)
	}
	return list
}

// readMemory reads the serial that this node knows, 0 if it knows none.
func readMemory(file string) (serial uint64, err error) {
	if file == "" {
		return 0, nil
	}
	b, err := os.ReadFile(file)
	if missing(err) {
		return 0, nil
	}
	if err == nil {
		serial, err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	}
	if err != nil {
		return 0, &RecordError{file, "is damaged"}
	}
	return serial, nil
}

func (c *copies) openZones() error {
	for i, p := range c.places {
		log, err := zones.Open(zones.Directory(p.Zones()), zones.Options{There: c.records[i].Serial > 0})
		damaged := (*zones.DamagedError)(nil)
		if err != nil && !errors.As(err, &damaged) {
			c.close()
			return fmt.Errorf("%s: %w", p.Zones(), err)
		}
		if damaged != nil {
			c.notes = append(c.notes, fmt.Sprintf("%s: %v with the other node. That is done by itself", p.Zones(), damaged))
		}
		c.logs = append(c.logs, log)
	}
	for _, i := range c.added {
		if err := c.logs[i].MarkEverything(); err != nil {
			c.close()
			return err
		}
	}
	return nil
}

// tell tells what was found when the copies were opened.
func (r *Replicator) tell(c *copies) {
	for _, n := range c.notes {
		r.opts.Host.Note("warn", n+".")
	}
}

func (c *copies) close() {
	for _, l := range c.logs {
		_ = l.Close()
	}
	c.logs = nil
}

// generations are those of the module's data.
func (c *copies) generations() mirror.Generations {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[0].Generations
}

// store makes generations durable in all folders. The data is not left as it was
// sealed from then on.
func (c *copies) store(g mirror.Generations) error {
	if err := g.Check(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.records {
		next := c.records[i]
		next.Generations, next.Seal, next.Saving = g, nil, c.saving
		if reflect.DeepEqual(next, c.records[i]) && next.Serial > 0 {
			continue // also where there is no room for more
		}
		next.Serial++
		if err := c.places[i].keep(next); err != nil {
			return err
		}
		c.records[i] = next
	}
	if c.memory == "" {
		return nil
	}
	return writeFile(c.memory, fmt.Appendln(nil, c.records[0].Serial))
}

// seal notes how the data was left.
func (c *copies) seal(seals []fs.Seal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.records {
		c.records[i].Seal = &seals[i]
		if err := c.places[i].keep(c.records[i]); err != nil {
			return err
		}
	}
	return nil
}

// sync makes durable all that was written to the folders.
func (c *copies) sync() error {
	for _, p := range c.places {
		if err := syncFileSystem(p.Data()); err != nil {
			return fmt.Errorf("sync %s: %w", p.Data(), err)
		}
	}
	return nil
}

// data are the directories that hold the files.
func (c *copies) data() (dirs []string) {
	for _, p := range c.places {
		dirs = append(dirs, p.Data())
	}
	return dirs
}
