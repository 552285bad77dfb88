package fs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/loopdisk"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// newSmall is a pair whose backing directory is an ext4 of its own, of 8 MiB.
func newSmall(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, stream.ModeFsync)
	must(t, p.mount.Stop())
	image := p.a + ".img"
	loopdisk.Make(t, image, 8<<20, "-N", "600")
	if err := loopdisk.Mount(image, p.a, "errors=remount-ro"); err != nil {
		t.Skipf("no loop device: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(p.a, unix.MNT_DETACH)) })
	must(t, os.Remove(p.a+"/lost+found"))
	m, err := Start(Options{Dir: p.m, Backing: p.a}, p.rec)
	must(t, err)
	p.mount = m
	t.Cleanup(func() { _ = m.Stop() }) // may have nothing to write to
	return p
}

// sameContents compares what the trees hold: block counts are the file systems' own.
func (p *pair) sameContents() {
	p.t.Helper()
	p.settled()
	for _, d := range []string{p.b, p.m} {
		if out, err := exec.Command("diff", "-r", "--no-dereference", p.a, d).CombinedOutput(); err != nil {
			p.t.Errorf("%s", out)
		}
		list := `cd "$0"; find . -printf '%P %m %U %G %y %l ' \( -type d -o -printf '%s %n %T@' \) -printf '\n' | sort; getfattr -Rhd -m - . | sort`
		a, err := exec.Command("bash", "-c", list, p.a).Output()
		must(p.t, err)
		b, err := exec.Command("bash", "-c", list, d).Output()
		must(p.t, err)
		if string(a) != string(b) {
			p.t.Errorf("%s\nand\n%s", a, b)
		}
	}
}

// All kinds of changes on a disk that is full most of the time.
func TestADiskThatIsFull(t *testing.T) {
	p := newSmall(t)
	rng := rand.New(rand.NewPCG(6, 6))
	failed := map[string]int{}
	note := func(what string, err error) {
		switch {
		case errors.Is(err, unix.ENOSPC):
			failed[what]++
		case errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL):
			t.Errorf("%s: %v", what, err)
		}
	}
	name := func() string { return fmt.Sprintf("%s/f%d", p.m, rng.IntN(700)) }
	for range 2500 {
		switch rng.IntN(10) {
		case 0, 1, 2:
			note("write", os.WriteFile(name(), make([]byte, rng.IntN(60000)), 0o644))
		case 3:
			f, err := os.OpenFile(name(), os.O_RDWR|os.O_APPEND, 0)
			if err != nil {
				continue
			}
			_, err = f.Write(make([]byte, 1+rng.IntN(200000)))
			note("append", err)
			note("fsync", f.Sync())
			note("allocate", unix.Fallocate(int(f.Fd()), uint32(rng.IntN(2)), 0, int64(1+rng.IntN(1<<20))))
			note("close", f.Close())
		case 4:
			note("mkdir", os.Mkdir(name(), 0o755))
		case 5:
			note("link", os.Link(name(), name()))
		case 6:
			note("symlink", os.Symlink(strings.Repeat("x/", 150), name()))
		case 7:
			note("setxattr", unix.Setxattr(name(), "user.a", make([]byte, rng.IntN(3000)), 0))
		case 8:
			note("truncate", os.Truncate(name(), int64(rng.IntN(100000))))
		case 9:
			if rng.IntN(8) == 0 {
				_ = os.Remove(name())
			}
		}
	}
	t.Logf("ENOSPC at %v", failed)
	for _, what := range []string{"write", "mkdir", "symlink", "setxattr"} {
		if failed[what] == 0 {
			t.Errorf("%s never found the disk full", what)
		}
	}
	p.sameContents()
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	if len(p.rec.diverged) > 0 {
		t.Errorf("%v", p.rec.diverged)
	}
}

// A file system that its kernel has made read-only.
func TestAReadOnlyDisk(t *testing.T) {
	p := newSmall(t)
	p.run(`echo 1 >f; mkdir d; ln -s f l`)
	f, err := os.OpenFile(p.m+"/f", os.O_RDWR, 0)
	must(t, err)
	p.sameContents()
	breakDown(t, p.a)
	for what, err := range map[string]error{
		"write":    second(f.WriteString("x")),
		"truncate": f.Truncate(0),
		"create":   os.WriteFile(p.m+"/g", nil, 0o644),
		"mkdir":    os.Mkdir(p.m+"/e", 0o755),
		"rename":   os.Rename(p.m+"/f", p.m+"/g"),
		"remove":   os.Remove(p.m + "/f"),
		"link":     os.Link(p.m+"/f", p.m+"/g"),
		"chmod":    os.Chmod(p.m+"/f", 0o600),
		"setxattr": unix.Setxattr(p.m+"/f", "user.a", nil, 0),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.sameContents()
	p.rec.diverged = nil // a record failed to be made; the applications know of each
	_ = f.Close()
	_ = p.mount.Stop()
	p.mount = nil
}

func uncache(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

func readAll(name string) error {
	_, err := os.ReadFile(name)
	return err
}

func second(_ int, err error) error { return err }

// breakDown makes an ext4 find an error, after which it is read-only.
func breakDown(t *testing.T, dir string) {
	t.Helper()
	table, err := mounts()
	must(t, err)
	for _, m := range table {
		if m.at == dir && m.root == "/" {
			trigger := "/sys/fs/ext4/" + filepath.Base(m.source) + "/trigger_fs_error"
			must(t, os.WriteFile(trigger, []byte("a test"), 0))
			return
		}
	}
	t.Fatalf("%s is not mounted", dir)
}

// A disk that fails for good: every call says so, and what the peer may have been told of is
// known to be different.
func TestADiskThatFails(t *testing.T) {
	p := newSmall(t)
	p.run(`head -c 100000 /dev/urandom >f; head -c 300000 /dev/urandom >cold; sync f`)
	f, err := os.OpenFile(p.m+"/f", os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	p.sameContents()
	uncache(t, p.m+"/cold")
	uncache(t, p.a+"/cold")
	shutdown(t, p.a)
	for what, err := range map[string]error{
		"write":    second(f.WriteAt([]byte("lost"), 5000)),
		"fsync":    f.Sync(),
		"truncate": f.Truncate(0),
		"create":   os.WriteFile(p.m+"/g", nil, 0o644),
		"read":     readAll(p.m + "/cold"),
		"mkdir":    os.Mkdir(p.m+"/e", 0o755),
		"remove":   os.Remove(p.m + "/f"),
		"chmod":    os.Chmod(p.m+"/f", 0o600),
		"setxattr": unix.Setxattr(p.m+"/f", "user.a", nil, 0),
	} {
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	if len(p.rec.diverged) == 0 {
		t.Error("nothing is known to differ")
	}
	_ = p.mount.Stop()
	p.mount = nil
}

// shutdown makes an ext4 fail every operation from now on (EXT4_IOC_SHUTDOWN, without a flush).
func shutdown(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	const request, noFlush = 0x8004587d, 2
	how := uint32(noFlush)
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&how))); e != 0 {
		t.Fatal(e)
	}
}
