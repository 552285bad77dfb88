package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// GetXAttr reads an attribute.
func (f *fileSystem) GetXAttr(_ <-chan struct{}, in *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	n, err := unix.Getxattr(f.table.get(in.NodeId).path(), name, dest)
	return uint32(max(n, 0)), status(err)
}

// ListXAttr lists the attributes' names.
func (f *fileSystem) ListXAttr(_ <-chan struct{}, in *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	n, err := unix.Listxattr(f.table.get(in.NodeId).path(), dest)
	return uint32(max(n, 0)), status(err)
}

// SetXAttr writes an attribute. An access list changes the mode, too, here and there alike.
func (f *fileSystem) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, name string, data []byte) fuse.Status {
	n := f.table.get(in.NodeId)
	return status(f.change(n, func() (Receipt, error) {
		if err := unix.Setxattr(n.path(), name, data, int(in.Flags)); err != nil {
			return nil, err
		}
		receipt, err := f.record(n, stream.Op{Kind: stream.SetXattr, File: n.file(), Name: name, Data: data})
		if err != nil || in.SetXAttrFlags&fuse.SETXATTR_ACL_KILL_SGID == 0 {
			return receipt, err
		}
		st, err := n.stat()
		if err == nil {
			err = unix.Chmod(n.path(), st.Mode&permissions&^unix.S_ISGID)
		}
		if err != nil {
			return nil, err
		}
		return f.recordAttr(n, stream.AttrMode)
	}))
}

// RemoveXAttr removes an attribute.
func (f *fileSystem) RemoveXAttr(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	n := f.table.get(in.NodeId)
	return status(f.change(n, func() (Receipt, error) {
		if err := unix.Removexattr(n.path(), name); err != nil {
			return nil, err
		}
		return f.record(n, stream.Op{Kind: stream.RemoveXattr, File: n.file(), Name: name})
	}))
}
