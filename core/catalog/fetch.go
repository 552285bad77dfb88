package catalog

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core"
)

// partSize is how much content travels in one reply, in bytes.
const partSize = 512 << 10

// getRequest asks for a part of an item. The zero version is the current one.
type getRequest struct {
	Name    string  `json:"name"`
	Version Version `json:"version"`
	Offset  int64   `json:"offset"`
}

// serveGet answers with the length of a description, the description (JSON) and
// the part of the content.
func (s *Syncer) serveGet(_ context.Context, _ core.NodeID, payload []byte) ([]byte, error) {
	var r getRequest
	if err := json.Unmarshal(payload, &r); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	it, part, err := s.catalog.part(r)
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(it)
	if err != nil {
		return nil, fmt.Errorf("encode the description of %s: %w", r.Name, err)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(head)+len(part)), uint32(len(head)))
	return append(append(b, head...), part...), nil
}

func (c *Catalog) part(r getRequest) (Item, []byte, error) {
	if err := CheckName(r.Name); err != nil {
		return Item{}, nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	it, ok := c.items[r.Name]
	var err error
	if r.Version != (Version{}) && r.Version != it.Version {
		it, err = c.describe(r.Name, r.Version)
	} else if !ok {
		err = ErrNotFound
	}
	if err != nil {
		return Item{}, nil, fmt.Errorf("get %s: %w", r.Name, err)
	}
	if r.Offset < 0 || r.Offset > it.Size {
		return Item{}, nil, fmt.Errorf("get %s: offset %d is outside its %d bytes", r.Name, r.Offset, it.Size)
	}
	part, err := c.readPart(r.Name, it.Version, r.Offset, int(min(partSize, it.Size-r.Offset)))
	return it, part, err
}

func parsePart(b []byte) (Item, []byte, error) {
	var it Item
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return it, nil, errors.New("the answer was cut off")
	}
	n := 4 + int(binary.BigEndian.Uint32(b))
	if err := json.Unmarshal(b[4:n], &it); err != nil {
		return it, nil, fmt.Errorf("read the description: %w", err)
	}
	return it, b[n:], it.check()
}

// fetch gets an item from a node, part by part, and merges it. All parts are of
// the version that the first answer named.
func (s *Syncer) fetch(ctx context.Context, from core.NodeID, name string) error {
	it, err := s.fetchWhole(ctx, from, getRequest{Name: name})
	if err != nil {
		return err
	}
	merged, err := s.catalog.Merge(it)
	if merged {
		s.log.Info("configuration received", "item", name, "version", it.Version, "signature", it.Signature.Short(), "node", from)
		s.fetchPast(ctx, from, name)
	}
	return err
}

func (s *Syncer) fetchWhole(ctx context.Context, from core.NodeID, first getRequest) (Item, error) {
	name := first.Name
	it, err := s.fetchPart(ctx, from, first)
	if err != nil {
		return Item{}, err
	}
	for int64(len(it.Content)) < it.Size {
		next, err := s.fetchPart(ctx, from, getRequest{Name: name, Version: it.Version, Offset: int64(len(it.Content))})
		if err != nil {
			return Item{}, err
		}
		if next.Head != it.Head || len(next.Content) == 0 {
			return Item{}, fmt.Errorf("fetch %s from node %d: its content changed meanwhile", name, from)
		}
		it.Content = append(it.Content, next.Content...)
	}
	return it, nil
}

// fetchPart returns the item with the part as its content.
func (s *Syncer) fetchPart(ctx context.Context, from core.NodeID, r getRequest) (Item, error) {
	payload, err := json.Marshal(r)
	if err != nil {
		return Item{}, fmt.Errorf("encode a request for %s: %w", r.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	b, err := s.net.Call(ctx, from, KindGet, payload)
	if err != nil {
		return Item{}, fmt.Errorf("fetch %s from node %d: %w", r.Name, from, err)
	}
	it, part, err := parsePart(b)
	if err != nil {
		return Item{}, fmt.Errorf("fetch %s from node %d: %w", r.Name, from, err)
	}
	if it.Name != r.Name {
		return Item{}, fmt.Errorf("fetch %s from node %d: it answered with %s", r.Name, from, it.Name)
	}
	it.Content = part
	return it, nil
}
