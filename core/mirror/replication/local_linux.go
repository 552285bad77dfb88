package replication

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// leaveOut notes what is not replicated from now on. What was each node's own before and is
// not any more may differ: it is marked, by each node in what it has, also when the
// configuration was changed while the module was stopped.
func (c *copies) leaveOut(folders []Folder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.records {
		var list []zones.Zone
		err := c.widened(i, folders[i], func(inode uint64) {
			list = append(list, zones.Zone{Inode: inode, Index: zones.Names}, zones.Zone{Inode: inode, Index: zones.Whole})
		})
		if err == nil {
			err = c.logs[i].MarkZonesDirty(list...)
		}
		if err != nil {
			return fmt.Errorf("look for what is replicated from now on in %s: %w", c.places[i].Data(), err)
		}
	}
	return c.keepLocal(folders)
}

// widened reports what of a folder is replicated from now on and was not, with c.mu held.
func (c *copies) widened(i int, next Folder, report func(inode uint64)) error {
	local := c.records[i].Local
	if local == nil || local.Equal(next.Rules.Spec()) {
		return nil
	}
	was, err := local.Rules()
	if err != nil { // of another release
		return c.logs[i].MarkEverything()
	}
	return fs.Widened(c.places[i].Data(), was, next.Rules, report)
}

// widens says whether something is replicated from now on that was not.
func (c *copies) widens(folders []Folder) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	for i := range c.records {
		if err := c.widened(i, folders[i], func(uint64) { found = true }); err != nil {
			return false, err
		}
	}
	return found, nil
}

// keepLocal makes durable what is not replicated from now on, with c.mu held. The serial
// stays: nothing is known anew of the data.
func (c *copies) keepLocal(folders []Folder) error {
	for i, r := range c.records {
		spec := folders[i].Rules.Spec()
		if r.Local != nil && r.Local.Equal(spec) {
			continue
		}
		known := r.Local != nil
		r.Local = &spec
		if known {
			if err := c.places[i].keep(r); err != nil {
				return err
			}
		}
		c.records[i] = r
	}
	return nil
}
