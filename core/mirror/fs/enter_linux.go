package fs

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// send tells the peer of n as a whole, which was local and is now called name in to. The
// file gets its name there when all of it is there. Its lock and names are held.
func (f *fileSystem) send(n, to *node, name string, replace bool) (Receipt, error) {
	st, err := n.stat()
	if err != nil {
		return nil, err
	}
	regular := st.Mode&unix.S_IFMT == unix.S_IFREG
	at := name
	if replace { // the name leads to something at every moment
		at = fmt.Sprintf(".orchestrator-%d", n.id)
	}
	op := stream.Op{Kind: stream.Create, File: n.file(), Parent: to.file(), Name: at, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Rdev: uint32(st.Rdev), Mtime: st.Mtim.Nano()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		op.Kind, op.Name = stream.Tmpfile, ""
	case unix.S_IFLNK:
		op.Kind = stream.Symlink
		target := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(n.fd, "", target)
		if err != nil {
			return nil, err
		}
		op.Data = target[:size]
	}
	if _, err := f.rec.Record(op, to.inode); err != nil {
		return nil, err
	}
	f.table.introduce(n, f.rec.Session())
	if regular {
		if err := f.sendData(n); err != nil {
			return nil, err
		}
	}
	if err := f.sendXattrs(n); err != nil {
		return nil, err
	}
	receipt, err := f.recordAttr(n, stream.AttrMode|stream.AttrAtime|stream.AttrMtime)
	if err != nil {
		return nil, err
	}
	if regular {
		if receipt, err = f.rec.Record(stream.Op{Kind: stream.Link, File: n.file(), Parent: to.file(), Name: at}, to.inode); err != nil {
			return nil, err
		}
	}
	if replace {
		return f.rec.Record(stream.Op{Kind: stream.Rename, Parent: to.file(), Name: at, NewParent: to.file(), NewName: name}, to.inode, to.inode)
	}
	return receipt, nil
}

// sendData sends what a file holds, without its holes.
func (f *fileSystem) sendData(n *node) error {
	fd, err := unix.Open(n.path(), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 256<<10)
	for at := int64(0); ; {
		begin, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break // a hole up to the end
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(fd, begin, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		for at = begin; at < end; {
			k, err := unix.Pread(fd, buf[:min(int64(len(buf)), end-at)], at)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			if k == 0 {
				return fmt.Errorf("file %d became shorter while it was read", n.inode)
			}
			if _, err := f.record(n, stream.Op{Kind: stream.Write, File: n.file(), Offset: at, Data: buf[:k]}); err != nil {
				return err
			}
			at += int64(k)
		}
	}
	_, err = f.recordAttr(n, stream.AttrSize)
	return err
}

// sendXattrs sends the extended attributes, access lists among them.
func (f *fileSystem) sendXattrs(n *node) error {
	list, value := make([]byte, 64<<10), make([]byte, 64<<10)
	size, err := unix.Listxattr(n.path(), list)
	if err == unix.ENOTSUP {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00") {
		if name == "" {
			break
		}
		k, err := unix.Getxattr(n.path(), name, value)
		if err != nil {
			return err
		}
		if _, err := f.record(n, stream.Op{Kind: stream.SetXattr, File: n.file(), Name: name, Data: value[:k]}); err != nil {
			return err
		}
	}
	return nil
}
