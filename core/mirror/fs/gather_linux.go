package fs

import (
	"fmt"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// With Options.WriteBack the kernel gathers writes. What is here bounds what that may cost.

// gathering is how long the kernel gathers what nobody syncs. By itself it would do so for half a minute.
const gathering = time.Second

// allowGathering lifts what the kernel may gather for a FUSE mount from a hundredth of its
// limit for unwritten data to a tenth: large writes stall otherwise. Without it, all works.
func (m *Mount) allowGathering() {
	_ = os.WriteFile(fmt.Sprintf("/sys/class/bdi/%d:%d/max_ratio", unix.Major(m.dev), unix.Minor(m.dev)), []byte("10"), 0)
}

// collect has the kernel send what it has gathered, again and again, until the mount ends.
func (m *Mount) collect() {
	tick := time.NewTicker(gathering)
	defer tick.Stop()
	for {
		select {
		case <-m.served:
			return
		case <-tick.C:
		}
		if m.fs.handles.writing() {
			_ = m.writeBack() // what cannot be written is told to who syncs or closes
		}
	}
}

// writing says that a file is open for writing.
func (h *handles) writing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.open {
		if x.writes {
			return true
		}
	}
	return false
}

// writeBack has the kernel send what it has gathered.
func (m *Mount) writeBack() error {
	fd, err := unix.Open(m.opts.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Syncfs(fd)
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("write back %s: %w", m.opts.Dir, err)
	}
	return nil
}

// Init takes the connection to the kernel, before the first request.
func (f *fileSystem) Init(s *fuse.Server) { f.server = s }

// sendGathered has the kernel send what it has gathered of a file that is about to be renamed
// while it is open. Many programs replace a file by a new one without a sync, and ext4 writes the new
// one's data before the name for them (auto_da_alloc in ext4(5)). No lock is held: the kernel
// sends by requests to this file system.
func (f *fileSystem) sendGathered(dir *node, name string) {
	var st unix.Stat_t
	if !f.writeBack || unix.Fstatat(dir.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if n := f.table.byInode(st.Ino); n != nil && f.table.opened(n, 0) > 0 {
		f.server.InodeNotify(n.id, 0, 0)
	}
}
