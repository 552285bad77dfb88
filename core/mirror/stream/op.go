package stream

import (
	"fmt"
	"strings"
)

// FileID names a file within a session, whatever names it has and even when it has
// none any more. The primary gives them out, and never twice; Root is the replicated
// directory.
type FileID uint64

// Root is the replicated directory itself.
const Root FileID = 1

// MaxFolders is how many directories share a session.
const MaxFolders = 1 << 14

// RootOf is the replicated directory number k of a session, counted from 0: its files have
// ids from there to the next one's. Below, half of the ids are left to those who
// bring the copy up to date.
func RootOf(k int) FileID { return Root + FileID(k)<<48 }

// Extra is the first id of the half that no file system gives out.
const Extra FileID = 1 << 47

// Kind is what an operation does.
type Kind uint8

// The kinds, with the fields of Op that each uses.
const (
	// Bind: File is known from now on as Name in directory Parent.
	Bind Kind = iota + 1
	// Forget: File is not spoken of any more.
	Forget
	// Create: a file, directory or device (Mode with its type bits, Rdev) called Name in
	// Parent, owned by UID and GID, last modified at Mtime, called File from now on. Mode
	// and owner are final: no umask is applied.
	Create
	// Symlink: Name in Parent, pointing to Data; called File from now on.
	Symlink
	// Tmpfile: as Create, without a name; Parent says on which directory's file system.
	Tmpfile
	// Link: File gets the further Name in Parent.
	Link
	// Unlink: Name in Parent, not a directory.
	Unlink
	// Rmdir: directory Name in Parent.
	Rmdir
	// Rename: Name in Parent becomes NewName in NewParent; Flags as of renameat2(2).
	Rename
	// Write: Data at Offset of File.
	Write
	// SetAttr: what Flags (Attr…) names of Mode, UID, GID, Size, Atime and Mtime.
	SetAttr
	// SetXattr: attribute Name of File becomes Data; Flags as of setxattr(2).
	SetXattr
	// RemoveXattr: attribute Name of File.
	RemoveXattr
	// Fallocate: Offset and Size of File; Flags as of fallocate(2).
	Fallocate
	// Stamp: all was written to File that was to be, and its times are Atime and Mtime.
	// Sent on close(2) and before Fsync.
	Stamp
	// Fsync: what was applied to File is to be made durable; Flags is 1 for data only.
	Fsync
	// Word: Data is for the other side's daemon, in its place in the order.
	Word
	// Ping: nothing; it is acknowledged.
	Ping

	kinds
)

var kindNames = [kinds]string{
	Bind: "bind", Forget: "forget", Create: "create", Symlink: "symlink", Tmpfile: "tmpfile", Link: "link", Unlink: "unlink",
	Rmdir: "rmdir", Rename: "rename", Write: "write", SetAttr: "setattr", SetXattr: "setxattr", RemoveXattr: "removexattr",
	Fallocate: "fallocate", Stamp: "stamp", Fsync: "fsync", Word: "word", Ping: "ping",
}

func (k Kind) String() string {
	if k < kinds && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// The attributes that SetAttr may name in Flags.
const (
	AttrMode uint32 = 1 << iota
	AttrUID
	AttrGID
	AttrSize
	AttrAtime
	AttrMtime
)

// Op is one operation. Which fields mean something is said by Kind.
type Op struct {
	Kind      Kind
	File      FileID
	Parent    FileID
	Name      string
	NewParent FileID
	NewName   string
	Flags     uint32
	Mode      uint32
	UID, GID  uint32
	Rdev      uint32
	Offset    int64
	Size      int64
	Atime     int64 // nanoseconds since 1970
	Mtime     int64
	Data      []byte

	// Unwaited, which stays here, says that nobody waits for this operation by itself, whatever
	// the mode is: it goes with one that is waited for.
	Unwaited bool

	waits bool // somebody waits until it is applied
}

func (o Op) String() string {
	var b strings.Builder
	fmt.Fprint(&b, o.Kind)
	for f := field(1); f < fieldsEnd; f <<= 1 {
		if !fieldsOf[o.Kind%kinds].has(f) {
			continue
		}
		switch f {
		case fieldName:
			fmt.Fprintf(&b, " %q", o.Name)
		case fieldNewName:
			fmt.Fprintf(&b, " %q", o.NewName)
		case fieldData:
			fmt.Fprintf(&b, " %d bytes", len(o.Data))
		default:
			fmt.Fprintf(&b, " %d", o.number(f))
		}
	}
	return b.String()
}
