package replication

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// powered is a file system of a node's own behind its folder, whose power can go: ext4 on a
// loop device.
type powered struct {
	n             *node
	image, behind string
}

// onItsOwnDisk gives a node that has not served yet a disk for its first folder.
func onItsOwnDisk(t testing.TB, n *node, megabytes int64) *powered {
	t.Helper()
	p := &powered{n, t.TempDir() + "/image", n.dirs[0] + "_behind"}
	must(t, os.Mkdir(p.behind, 0o755))
	must(t, os.WriteFile(p.image, nil, 0o600))
	must(t, os.Truncate(p.image, megabytes<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", p.image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v %s", err, out)
	}
	if err := p.mount(); err != nil {
		t.Skipf("no loop device: %v", err)
	}
	must(t, os.Remove(n.dirs[0]))
	t.Cleanup(func() {
		n.r.Close()
		must(t, unix.Unmount(p.behind, 0))
		n.start(nil) // for the clean-up that follows
	})
	return p
}

func (p *powered) mount() error {
	out, err := exec.Command("mount", "-o", "loop", p.image, p.behind).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

// Of linux/fs.h and ext4: FS_IOC_SHUTDOWN, with EXT4_GOING_FLAGS_NOLOGFLUSH.
const (
	shutdown   = 0x8004587d
	noLogFlush = 2
)

// cut ends the file system as a power cut does: what was not synced, and has not been
// written by chance, is gone, names and data alike.
func (p *powered) cut() {
	p.n.t.Helper()
	fd, err := unix.Open(p.behind, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(p.n.t, err)
	defer unix.Close(fd)
	must(p.n.t, unix.IoctlSetPointerInt(fd, shutdown, noLogFlush))
}

// restore mounts the file system again, when nobody has it any more.
func (p *powered) restore() {
	p.n.t.Helper()
	must(p.n.t, unix.Unmount(p.behind, 0))
	p.n.eventually("end of the file system whose power went", func() bool {
		out, err := exec.Command("losetup", "-j", p.image).Output()
		return err == nil && strings.TrimSpace(string(out)) == ""
	})
	must(p.n.t, p.mount())
}
