package resync

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// attributes sets all but the times of a file, and its size.
func (s *Source) attributes(fd int, e Entry, id stream.FileID, there *Entry) error {
	op := stream.Op{Kind: stream.SetAttr, File: id, Mode: e.Mode, UID: e.UID, GID: e.GID, Size: e.Size}
	if there == nil || there.UID != e.UID || there.GID != e.GID {
		op.Flags |= stream.AttrUID | stream.AttrGID
	}
	if e.is(unix.S_IFREG) && (there == nil || there.Size != e.Size) {
		op.Flags |= stream.AttrSize
	}
	if op.Flags != 0 {
		if err := s.peer.Send(op); err != nil {
			return err
		}
	}
	if there == nil || !bytes.Equal(there.Xattrs, e.Xattrs) {
		if err := s.xattrs(fd, id); err != nil {
			return err
		}
	}
	if e.is(unix.S_IFLNK) || there != nil && op.Flags == 0 && there.Mode == e.Mode && bytes.Equal(there.Xattrs, e.Xattrs) {
		return nil
	}
	return s.peer.Send(stream.Op{Kind: stream.SetAttr, File: id, Flags: stream.AttrMode, Mode: e.Mode})
}

// xattrs makes the extended attributes there those of fd.
func (s *Source) xattrs(fd int, id stream.FileID) error {
	want, err := xattrs(fd)
	if err != nil {
		return fmt.Errorf("read extended attributes: %w", err)
	}
	a, err := s.ask(Request{Xattrs: id})
	if err != nil {
		return fmt.Errorf("ask the peer for extended attributes: %w", err)
	}
	for name := range a.Xattrs {
		if _, ok := want[name]; !ok {
			if err := s.peer.Send(stream.Op{Kind: stream.RemoveXattr, File: id, Name: name}); err != nil {
				return err
			}
		}
	}
	for name, value := range want {
		if has, ok := a.Xattrs[name]; !ok || !bytes.Equal(has, value) {
			if err := s.peer.Send(stream.Op{Kind: stream.SetXattr, File: id, Name: name, Data: value}); err != nil {
				return err
			}
		}
	}
	return nil
}

// capabilities sets again what the kernel clears when a file is written.
func (s *Source) capabilities(j *job) error {
	value := make([]byte, 64)
	n, err := unix.Getxattr(path(j.fd), "security.capability", value)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.peer.Send(stream.Op{Kind: stream.SetXattr, File: j.id, Name: "security.capability", Data: value[:n]})
}

// times sets the times there.
func (s *Source) times(j *job) error {
	var st unix.Stat_t
	if err := unix.Fstatat(j.fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	return s.peer.Send(stream.Op{
		Kind: stream.SetAttr, File: j.id, Flags: stream.AttrAtime | stream.AttrMtime, Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(),
	})
}
