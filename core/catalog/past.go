package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A node that was away, or has just joined, gets the current version of an item and
// then, from the same node, the versions before it: so every node can set back.

// serveHistory answers the heads of the kept versions of an item, the latest first.
func (s *Syncer) serveHistory(_ context.Context, _ core.NodeID, payload []byte) ([]byte, error) {
	list, err := s.catalog.History(string(payload))
	if err != nil {
		return nil, err
	}
	heads := make([]Head, 0, len(list))
	for _, it := range list {
		heads = append(heads, it.Head)
	}
	return json.Marshal(heads)
}

// fetchPast gets the versions before the current one that are lacking here. What
// fails is left out: it is for convenience, and the next change tries again.
func (s *Syncer) fetchPast(ctx context.Context, from core.NodeID, name string) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	raw, err := s.net.Call(call, from, kindHistory, []byte(name))
	var heads []Head
	if err == nil {
		err = json.Unmarshal(raw, &heads)
	}
	if err != nil {
		s.log.Debug("catalog: the history of an item could not be fetched", "item", name, "node", from, "err", err)
		return
	}
	for _, h := range s.catalog.lacking(name, heads) {
		it, err := s.fetchWhole(ctx, from, getRequest{Name: name, Version: h.Version})
		if err == nil {
			err = s.catalog.keep(it)
		}
		if err != nil {
			s.log.Debug("catalog: an earlier version could not be fetched", "item", name, "version", h.Version, "node", from, "err", err)
			return
		}
	}
}

// lacking are those of another node's versions that belong to the last Kept ones and
// are not kept here.
func (c *Catalog) lacking(name string, theirs []Head) []Head {
	if CheckName(name) != nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	ours, err := c.versions(name, false)
	if err != nil {
		return nil
	}
	current, ok := c.items[name]
	all := slices.Clone(ours)
	for _, h := range theirs {
		if ok && h.Name == name && h.Version.Compare(current.Version) < 0 && !slices.Contains(all, h.Version) {
			all = append(all, h.Version)
		}
	}
	slices.SortFunc(all, Version.Compare)
	all = all[max(len(all)-Kept, 0):]
	return slices.DeleteFunc(slices.Clone(theirs), func(h Head) bool {
		return slices.Contains(ours, h.Version) || !slices.Contains(all, h.Version)
	})
}

// keep stores a version that is older than the current one.
func (c *Catalog) keep(it Item) error {
	if err := it.check(); err != nil {
		return fmt.Errorf("keep %q: %w", it.Name, err)
	}
	if err := it.checkContent(); err != nil {
		return fmt.Errorf("keep %s: %w", it.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	current, ok := c.items[it.Name]
	if !ok || it.Version.Compare(current.Version) >= 0 {
		return nil // it is not of before any more
	}
	if _, err := os.Stat(c.path(it.Name, it.Version)); err == nil {
		return nil
	}
	if err := c.write(it); err != nil {
		return fmt.Errorf("keep %s version %s: %w", it.Name, it.Version, err)
	}
	return c.prune(it.Name)
}
