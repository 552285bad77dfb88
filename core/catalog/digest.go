package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	digestFormat = 1
	// maxHeads bounds what a digest from outside can make us allocate.
	maxHeads = 1 << 16
)

var errDigest = errors.New("read a catalog digest: it is damaged or of another version of this program")

// Heads returns the heads of all items, deleted ones included, sorted by name.
func (c *Catalog) Heads() []Head {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make([]Head, 0, len(c.items))
	for _, it := range c.items {
		list = append(list, it.Head)
	}
	slices.SortFunc(list, func(a, b Head) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Digest returns the heads of all items in a compact form, about 50 bytes each,
// for others to compare.
func (c *Catalog) Digest() []byte {
	b := []byte{digestFormat}
	heads := c.Heads()
	b = binary.AppendUvarint(b, uint64(len(heads)))
	for _, h := range heads {
		b = append(b, byte(len(h.Name)))
		b = append(b, h.Name...)
		b = binary.AppendUvarint(b, h.Version.Counter)
		b = append(b, byte(h.Version.Node), flag(h.Deleted))
		b = append(b, h.Signature[:]...)
	}
	return b
}

func flag(deleted bool) byte {
	if deleted {
		return 1
	}
	return 0
}

// ParseDigest reads what Digest wrote.
func ParseDigest(b []byte) ([]Head, error) {
	if len(b) == 0 || b[0] != digestFormat {
		return nil, errDigest
	}
	count, n := binary.Uvarint(b[1:])
	if n <= 0 || count > maxHeads {
		return nil, errDigest
	}
	b = b[1+n:]
	list := make([]Head, 0, min(count, 256))
	for range count {
		h, rest, err := parseHead(b)
		if err != nil {
			return nil, err
		}
		list, b = append(list, h), rest
	}
	if len(b) != 0 {
		return nil, errDigest
	}
	return list, nil
}

func parseHead(b []byte) (Head, []byte, error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return Head{}, nil, errDigest
	}
	h := Head{Name: string(b[1 : 1+b[0]])}
	b = b[1+int(b[0]):]
	counter, n := binary.Uvarint(b)
	if n <= 0 || len(b) < n+2+len(h.Signature) {
		return Head{}, nil, errDigest
	}
	h.Version = Version{Counter: counter, Node: core.NodeID(b[n])}
	h.Deleted = b[n+1] == 1
	copy(h.Signature[:], b[n+2:])
	if err := (Item{Head: h}).check(); err != nil {
		return Head{}, nil, fmt.Errorf("read a catalog digest: %w", err)
	}
	return h, b[n+2+len(h.Signature):], nil
}

// Diff compares this catalog with another node's digest: newer are the items to
// fetch from there, older those that it lacks or has in an older version. An
// item that is damaged here is absent here.
func (c *Catalog) Diff(remote []Head) (newer, older []string) {
	theirs := make(map[string]Head, len(remote))
	for _, h := range remote {
		theirs[h.Name] = h
	}
	for _, ours := range c.Heads() {
		t, ok := theirs[ours.Name]
		delete(theirs, ours.Name)
		switch {
		case !ok || t.compare(ours) < 0:
			older = append(older, ours.Name)
		case t.compare(ours) > 0:
			newer = append(newer, ours.Name)
		}
	}
	for name := range theirs {
		newer = append(newer, name)
	}
	slices.Sort(newer)
	return newer, older
}
