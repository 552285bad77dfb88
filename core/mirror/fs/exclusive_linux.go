package fs

import "golang.org/x/sys/unix"

// Root opens the backing directory as the mount uses it, for descriptors that are given to
// Exclusive.
func (m *Mount) Root() (int, error) {
	return unix.FcntlInt(uintptr(m.fs.table.root().fd), unix.F_DUPFD_CLOEXEC, 0)
}

// Exclusive runs do while no operation changes the replicated file of fd, an O_PATH
// descriptor below Root: what do reads and records is in its place in the order. It must not
// wait for other operations.
func (m *Mount) Exclusive(fd int, do func() error) error {
	f := m.fs
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(own, "", &st, unix.AT_EMPTY_PATH); err != nil {
		unix.Close(own)
		return err
	}
	f.gate.RLock()
	defer f.gate.RUnlock()
	n, err := f.table.enter(own, &st, nil, "", false)
	if err != nil {
		return err
	}
	n.mu.Lock()
	err = do()
	n.mu.Unlock()
	f.table.forget(n.id, 1)
	f.flushGone()
	return err
}

// Names runs do while no name changes.
func (m *Mount) Names(do func() error) error {
	m.fs.gate.RLock()
	defer m.fs.gate.RUnlock()
	m.fs.names.RLock()
	defer m.fs.names.RUnlock()
	return do()
}
