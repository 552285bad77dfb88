package replication

import (
	"errors"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// copies are a module's folders on this node with their records.
type copies struct {
	places  []Place
	records []record
	logs    []*zones.Log
	saving  string // see record
}

// openCopies reads the records of all folders, which must agree. With anew, records that
// are no use are begun anew: nothing is known of the data then.
func openCopies(cluster, module string, places []Place, anew bool) (*copies, error) {
	c := &copies{places: places, records: make([]record, len(places))}
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
	return c, c.openZones()
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
// other, and a crash may have come between.
func (c *copies) agree() error {
	latest := 0
	for i, r := range c.records {
		if r.Serial > c.records[latest].Serial {
			latest = i
		}
	}
	for i, r := range c.records {
		if top := c.records[latest]; r.Serial+1 < top.Serial {
			return &RecordError{c.places[i].state(), fmt.Sprintf("is older than %s (%d, %d)", c.places[latest].state(), r.Serial, top.Serial)}
		}
	}
	for i := range c.records {
		c.records[i].Serial, c.records[i].Generations = c.records[latest].Serial, c.records[latest].Generations
	}
	return nil
}

func (c *copies) openZones() error {
	for _, p := range c.places {
		log, err := zones.Open(zones.Directory(p.Zones()), zones.Options{})
		if damaged := (*zones.DamagedError)(nil); err != nil && !errors.As(err, &damaged) {
			c.close()
			return fmt.Errorf("%s: %w", p.Zones(), err)
		}
		c.logs = append(c.logs, log)
	}
	return nil
}

func (c *copies) close() {
	for _, l := range c.logs {
		_ = l.Close()
	}
	c.logs = nil
}

// generations are those of the module's data.
func (c *copies) generations() mirror.Generations { return c.records[0].Generations }

// store makes generations durable in all folders. The data is not left as it was
// sealed from then on.
func (c *copies) store(g mirror.Generations) error {
	if err := g.Check(); err != nil {
		return err
	}
	for i := range c.records {
		c.records[i].Serial++
		c.records[i].Generations, c.records[i].Seal, c.records[i].Saving = g, nil, c.saving
		if err := writeRecord(c.places[i].state(), c.records[i]); err != nil {
			return err
		}
	}
	return nil
}

// seal notes how the data was left.
func (c *copies) seal(seals []fs.Seal) error {
	for i := range c.records {
		c.records[i].Seal = &seals[i]
		if err := writeRecord(c.places[i].state(), c.records[i]); err != nil {
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
