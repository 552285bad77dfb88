package catalog

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	// MaxContent is the largest content of an item, in bytes.
	MaxContent = 256 << 20
	// maxMeta is the largest meta of an item, in bytes: it must fit in one
	// message together with a part of the content.
	maxMeta = 128 << 10
	// Kept is how many versions of an item are kept, the current one included.
	Kept = 10

	maxName    = 128
	maxCounter = 1 << 62
)

// Version orders the contents of one item across the cluster.
type Version struct {
	Counter uint64      `json:"counter"` // from 1, one more with each Put
	Node    core.NodeID `json:"node"`    // who put
}

// Compare orders versions: -1, 0 or 1.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Counter, o.Counter), cmp.Compare(v.Node, o.Node))
}

// String is e.g. 7.3: the 7th version, put by node 3.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Counter, v.Node) }

// Signature is the SHA-256 of an item's meta and content. Nodes with the same
// signature have the same configuration.
type Signature [sha256.Size]byte

// String is the signature in hexadecimal.
func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// Short is the beginning of the signature, enough to compare by eye.
func (s Signature) Short() string { return hex.EncodeToString(s[:6]) }

// MarshalText writes the signature in hexadecimal.
func (s Signature) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Signature) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(s[:], bytes.TrimSpace(text)); err != nil || n != len(s) || len(text) != 2*len(s) {
		return fmt.Errorf("read the signature %q: it is not %d hexadecimal digits", text, 2*len(s))
	}
	return nil
}

// sign covers the length of the meta too, so that no byte can pass from meta to
// content unnoticed.
func sign(meta, content []byte) Signature {
	h := sha256.New()
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(meta)))
	h.Write(size[:])
	h.Write(meta)
	h.Write(content)
	return Signature(h.Sum(nil))
}

// Head says which content of an item a node has.
type Head struct {
	Name      string    `json:"name"`
	Version   Version   `json:"version"`
	Signature Signature `json:"signature"`
	Deleted   bool      `json:"deleted,omitempty"`
}

// compare orders the heads of one item. The signature decides between two
// contents of the same version, which a node that lost its disk can make.
func (h Head) compare(o Head) int {
	d := 0
	if h.Deleted != o.Deleted {
		d = 1
		if o.Deleted {
			d = -1
		}
	}
	return cmp.Or(h.Version.Compare(o.Version), d, bytes.Compare(h.Signature[:], o.Signature[:]))
}

// Item is one version of a named piece of configuration.
type Item struct {
	Head
	Size    int64           `json:"size"`           // of the content, bytes
	Meta    json.RawMessage `json:"meta,omitempty"` // small settings beside the content
	By      string          `json:"by"`             // who applied it, for people
	At      time.Time       `json:"at"`             // by the clock of the node that put it
	Content []byte          `json:"-"`              // nil where only the description is asked for
}

// check refuses an item that no Put can have made.
func (it Item) check() error {
	if err := CheckName(it.Name); err != nil {
		return err
	}
	switch {
	case it.Version.Counter == 0 || it.Version.Counter > maxCounter:
		return fmt.Errorf("the version counter %d of %s is out of range", it.Version.Counter, it.Name)
	case it.Version.Node == 0 || it.Version.Node > core.MaxNodes:
		return fmt.Errorf("the version of %s names node %d", it.Name, it.Version.Node)
	case it.Size < 0 || it.Size > MaxContent:
		return fmt.Errorf("%s has %d bytes: at most %d are kept", it.Name, it.Size, MaxContent)
	case len(it.Meta) > maxMeta:
		return fmt.Errorf("the settings of %s have %d bytes: at most %d are kept", it.Name, len(it.Meta), maxMeta)
	case it.Deleted && (it.Size != 0 || len(it.Meta) != 0):
		return fmt.Errorf("%s is deleted and yet has content", it.Name)
	}
	return nil
}

// checkContent refuses content that is not what the head says.
func (it Item) checkContent() error {
	if int64(len(it.Content)) != it.Size || sign(it.Meta, it.Content) != it.Signature {
		return fmt.Errorf("the content of %s version %s does not fit its signature %s", it.Name, it.Version, it.Signature.Short())
	}
	return nil
}

var itemName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?(/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?)*$`)

// CheckName says what is wrong with the name of an item, e.g. "cluster" or
// "module/web_farm".
func CheckName(name string) error {
	if len(name) > maxName || !itemName.MatchString(name) {
		return fmt.Errorf("item name %q: use up to %d letters, digits, '.', '_', '-', in parts separated by '/'", name, maxName)
	}
	return nil
}

func folder(name string) string { return strings.ReplaceAll(name, "/", "+") }

func nameOf(folder string) string { return strings.ReplaceAll(folder, "+", "/") }

// canonical is the one spelling of a JSON value that is signed and stored.
func canonical(meta json.RawMessage) (json.RawMessage, error) {
	if len(meta) == 0 {
		return nil, nil
	}
	return json.Marshal(meta)
}
