package resync

import (
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// Request is what a Source asks, or has done. One of its fields says what.
type Request struct {
	// Number is that of the answer that is waited for; 0: none.
	Number uint64 `json:"number,omitempty"`
	// List asks for what is in a directory.
	List stream.FileID `json:"list,omitempty"`
	// Xattrs asks for the extended attributes of a file.
	Xattrs stream.FileID `json:"xattrs,omitempty"`
	// Marks asks for the zones that are recorded in the copy's folder with this root.
	Marks stream.FileID `json:"marks,omitempty"`
	// Check asks which blocks differ.
	Check *Check `json:"check,omitempty"`
	// Remove has a name removed with all that is below.
	Remove *Remove `json:"remove,omitempty"`
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
	Number  uint64            `json:"number"`
	More    bool              `json:"more,omitempty"`
	Error   string            `json:"error,omitempty"`
	Entries []Entry           `json:"entries,omitempty"`
	Xattrs  map[string][]byte `json:"xattrs,omitempty"`
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
