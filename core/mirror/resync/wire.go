package resync

import (
	"hash/crc32"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// Request is what a Source asks, or has done. One of its fields says what.
type Request struct {
	// Number is that of the answer that is waited for; 0: none.
	Number uint64 `json:"number,omitempty"`
	// List asks for what is in a directory, or in a part of it, or for the directories in it.
	List stream.FileID `json:"list,omitempty"`
	Part Part          `json:"part,omitzero"`
	Dirs bool          `json:"dirs,omitempty"`
	// Xattrs asks for the extended attributes of a file.
	Xattrs stream.FileID `json:"xattrs,omitempty"`
	// Marks asks for the zones that are recorded in the copy's folder with this root.
	Marks stream.FileID `json:"marks,omitempty"`
	// Check asks which blocks differ.
	Check *Check `json:"check,omitempty"`
	// Remove has a name removed with all that is below.
	Remove *Remove `json:"remove,omitempty"`
}

// partSize is how many names of a directory are in memory at most, unless Options say
// otherwise. One with more is compared in parts, and read once for each.
const partSize = 1 << 15

// Part is one of Of parts of a directory's names: those whose checksum says so, as each node
// reads a directory in an order of its own. The zero Part is all.
type Part struct {
	Number uint32 `json:"number"`
	Of     uint32 `json:"of"`
}

// maxParts is when the checksums are the same on purpose.
const maxParts = 1 << 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (p Part) has(name []byte) bool {
	return p.Of < 2 || crc32.Checksum(name, castagnoli)%p.Of == p.Number
}

// inParts does something with one part of a directory after the other. It answers in how many
// it is to be done, if not in those that it is.
func inParts(do func(Part) (parts uint32, err error)) error {
	for part := (Part{}); ; {
		parts, err := do(part)
		switch {
		case err != nil:
			return err
		case parts > part.Of:
			part = Part{Of: parts}
		case part.Number+1 >= part.Of:
			return nil
		default:
			part.Number++
		}
	}
}

// Block is the bytes of a block, the unit that is compared and sent.
const Block = 4 << 10

// sumSize is the bytes of a block's checksum: half of a SHA-256.
const sumSize = 16

// Check names blocks of a file by their checksums.
type Check struct {
	File   stream.FileID `json:"file"`
	Offset int64         `json:"offset"`
	Length int64         `json:"length"`
	Sums   []byte        `json:"sums,omitempty"` // none: nothing but zeros
}

// Remove names what is to be removed.
type Remove struct {
	Parent stream.FileID `json:"parent"`
	Name   []byte        `json:"name"`
}

// Answer answers a Request. With More, another one follows.
type Answer struct {
	Number  uint64  `json:"number"`
	More    bool    `json:"more,omitempty"`
	Error   string  `json:"error,omitempty"`
	Entries []Entry `json:"entries,omitempty"`
	// Parts says, in the place of Entries, in how many parts the directory is to be taken.
	Parts  uint32            `json:"parts,omitempty"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"`
	// Differs has a bit for each block, or one for all if they were said to be zeros.
	Differs []byte `json:"differs,omitempty"`
	Marks   []Mark `json:"marks,omitempty"`
	All     bool   `json:"all,omitempty"` // of Marks: the record is no use
}

// Entry is a name in a directory, and the file that it leads to.
type Entry struct {
	Name   []byte `json:"name"` // need not be UTF-8
	Inode  uint64 `json:"inode"`
	Links  uint64 `json:"links"`
	Mode   uint32 `json:"mode"`
	UID    uint32 `json:"uid"`
	GID    uint32 `json:"gid"`
	Rdev   uint32 `json:"rdev,omitempty"`
	Size   int64  `json:"size,omitempty"`
	Mtime  int64  `json:"mtime"`
	Target []byte `json:"target,omitempty"` // of a symbolic link
	Xattrs []byte `json:"xattrs,omitempty"` // checksum; none if there are none
}

// Mark is a zone that is recorded in the copy.
type Mark struct {
	Path  []byte `json:"path"` // from the folder's root
	Index uint32 `json:"index"`
}

func bit(b []byte, i int) bool { return i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0 }

func setBit(b []byte, i int) { b[i/8] |= 1 << (i % 8) }
