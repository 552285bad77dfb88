package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// ErrNotFound says that there is no such item, or no longer.
var ErrNotFound = errors.New("not in the catalog")

// Catalog is this node's copy of the shared configuration. All methods may be
// called by several goroutines; one process at a time may have a directory open.
type Catalog struct {
	dir  string
	self core.NodeID
	now  func() time.Time

	mu      sync.RWMutex
	items   map[string]Item   // current versions, without content
	floor   map[string]uint64 // greatest counter seen on disk, damaged ones too
	damaged map[string]error  // items whose current version cannot be read
	notes   notifier
}

// Open reads the catalog in dir and makes the directory if there is none. self
// is this node's number; it becomes part of the versions put here.
//
// A damaged item does not fail Open: see Damaged.
func Open(dir string, self core.NodeID) (*Catalog, error) {
	if self == 0 || self > core.MaxNodes {
		return nil, fmt.Errorf("open the catalog: node number %d is outside 1 to %d", self, core.MaxNodes)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the catalog: %w", err)
	}
	c := &Catalog{
		dir: dir, self: self, now: time.Now,
		items: map[string]Item{}, floor: map[string]uint64{}, damaged: map[string]error{},
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the catalog: %w", err)
	}
	for _, e := range entries {
		name := nameOf(e.Name())
		if !e.IsDir() || CheckName(name) != nil {
			continue
		}
		if err := c.load(name); err != nil {
			return nil, fmt.Errorf("open the catalog: %w", err)
		}
	}
	return c, nil
}

func (c *Catalog) load(name string) error {
	list, err := c.versions(name, true)
	if err != nil || len(list) == 0 {
		return err
	}
	last := list[len(list)-1]
	c.floor[name] = last.Counter
	it, err := c.read(name, last)
	if err != nil {
		c.damaged[name] = err
		return nil
	}
	it.Content = nil
	c.items[name] = it
	return nil
}

// Put stores content and meta (any JSON, or nil) as the next version of an item
// and returns its description. by says who applied it, for people. If both are
// what the item already has, nothing is stored and the current version is
// returned.
func (c *Catalog) Put(name string, content []byte, meta json.RawMessage, by string) (Item, error) {
	meta, err := canonical(meta)
	if err != nil {
		return Item{}, fmt.Errorf("put %s into the catalog: the settings are not JSON: %w", name, err)
	}
	return c.put(Item{Head: Head{Name: name}, Size: int64(len(content)), Meta: meta, By: by, Content: content})
}

// Delete makes an item absent on all nodes. Its earlier versions stay in the
// history. It returns ErrNotFound if there is nothing to delete.
func (c *Catalog) Delete(name, by string) error {
	c.mu.RLock()
	it, ok := c.items[name]
	_, bad := c.damaged[name]
	c.mu.RUnlock()
	if (!ok || it.Deleted) && !bad {
		return fmt.Errorf("delete %s: %w", name, ErrNotFound)
	}
	_, err := c.put(Item{Head: Head{Name: name, Deleted: true}, By: by})
	return err
}

func (c *Catalog) put(it Item) (Item, error) {
	it.At = c.now().UTC().Round(0)
	it.Signature = sign(it.Meta, it.Content)
	c.mu.Lock()
	defer c.notes.deliver()
	defer c.mu.Unlock()
	current, ok := c.items[it.Name]
	if ok && current.Deleted == it.Deleted && current.Signature == it.Signature {
		return current, nil
	}
	it.Version = Version{Counter: c.floor[it.Name] + 1, Node: c.self}
	if err := it.check(); err != nil {
		return Item{}, fmt.Errorf("put %s into the catalog: %w", it.Name, err)
	}
	return c.store(it)
}

// Merge takes over an item from another node if it is newer than ours, and
// reports whether it was. An item that does not fit its signature, or whose
// fields make no sense, is refused with an error.
func (c *Catalog) Merge(it Item) (bool, error) {
	if err := it.check(); err != nil {
		return false, fmt.Errorf("merge %q into the catalog: %w", it.Name, err)
	}
	if meta, err := canonical(it.Meta); err != nil || string(meta) != string(it.Meta) {
		return false, fmt.Errorf("merge %s into the catalog: its settings are not in the form in which they were signed", it.Name)
	}
	if err := it.checkContent(); err != nil {
		return false, fmt.Errorf("merge %s into the catalog: %w", it.Name, err)
	}
	c.mu.Lock()
	defer c.notes.deliver()
	defer c.mu.Unlock()
	if current, ok := c.items[it.Name]; ok && it.compare(current.Head) <= 0 {
		return false, nil
	}
	_, err := c.store(it)
	return err == nil, err
}

// store writes a version that is newer than the current one. c.mu is held.
func (c *Catalog) store(it Item) (Item, error) {
	if err := c.write(it); err != nil {
		return Item{}, fmt.Errorf("store %s version %s in %s: %w", it.Name, it.Version, c.dir, err)
	}
	if c.damaged[it.Name] != nil {
		if err := c.removeAfter(it.Name, it.Version); err != nil {
			return Item{}, err
		}
	}
	it.Content = nil
	c.items[it.Name] = it
	c.floor[it.Name] = max(c.floor[it.Name], it.Version.Counter)
	delete(c.damaged, it.Name)
	c.notes.add(it)
	// An old version that cannot be removed now (Windows: somebody reads it)
	// does no harm and is tried again with the next one.
	_ = c.prune(it.Name)
	return it, nil
}

// Get returns the current version of an item with its content: ErrNotFound if
// there is none, *DamagedError if it cannot be read.
func (c *Catalog) Get(name string) (Item, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.damaged[name]; err != nil {
		return Item{}, err
	}
	it, ok := c.items[name]
	if !ok || it.Deleted {
		return Item{}, fmt.Errorf("get %s: %w", name, ErrNotFound)
	}
	return c.read(name, it.Version)
}

// GetVersion returns a kept version of an item with its content, e.g. to put it
// again (a rollback).
func (c *Catalog) GetVersion(name string, v Version) (Item, error) {
	if err := CheckName(name); err != nil {
		return Item{}, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if _, err := os.Stat(c.path(name, v)); err != nil {
		return Item{}, fmt.Errorf("get %s version %s: %w", name, v, ErrNotFound)
	}
	return c.read(name, v)
}

// List describes all items, sorted by name, without content.
func (c *Catalog) List() []Item {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make([]Item, 0, len(c.items))
	for _, it := range c.items {
		if !it.Deleted {
			list = append(list, it)
		}
	}
	slices.SortFunc(list, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// History describes the kept versions of an item, the latest first, deletions
// included. Versions that cannot be read are left out.
func (c *Catalog) History(name string) ([]Item, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	versions, err := c.versions(name, false)
	if err != nil {
		return nil, err
	}
	var list []Item
	for _, v := range slices.Backward(versions) {
		if it, err := c.describe(name, v); err == nil {
			list = append(list, it)
		}
	}
	return list, nil
}

// Damaged returns the items whose current version cannot be read, each with a
// *DamagedError. They count as absent until they are put or merged again.
func (c *Catalog) Damaged() map[string]error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make(map[string]error, len(c.damaged))
	for name, err := range c.damaged {
		list[name] = err
	}
	return list
}

// Subscribe calls f for each version that becomes current from now on, put here
// or merged, deletions included, in order and one at a time, without content.
// f may call the catalog. The returned function ends the subscription.
func (c *Catalog) Subscribe(f func(Item)) (cancel func()) { return c.notes.subscribe(f) }
