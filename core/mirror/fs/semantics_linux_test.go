package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// The FUSE library's own checks, which were written for other file systems.
func TestPosix(t *testing.T) {
	for name, check := range posixtest.All {
		if name == "FcntlFlockLocksFile" {
			continue // wants a process to be in its own way, which it is on no local file system
		}
		t.Run(name, func(t *testing.T) {
			p := newPair(t, stream.ModeFsync)
			check(t, p.m)
			p.same()
		})
	}
}

// What the shell can say, on all modes. Each must leave the same on both sides.
func TestShell(t *testing.T) {
	for name, script := range map[string]string{
		"hard links":          `echo a >f; ln f g; mkdir d; ln g d/h; echo b >>d/h; rm f; test $(stat -c %h g) = 2`,
		"symbolic links":      `ln -s /nowhere/else l; ln -s l m; chown -h 5:6 l; touch -h -d @77 l; mv l k; test $(readlink k) = /nowhere/else`,
		"devices and pipes":   `mkfifo p; mknod c c 1 3; mknod b b 7 200; chmod 604 p; chown 3:4 c`,
		"rename over":         `echo a >a; echo b >b; mv b a; mkdir d e; touch e/x; mv e d/; mv d/e .; mv a e/`,
		"modes and owners":    `umask 027; touch f; mkdir d; chmod 4755 f; test $(stat -c %a f) = 4755; chown 7:8 f; test $(stat -c %a f) = 755; chmod 2770 d; touch d/g; mkdir d/e`,
		"times":               `touch -d @1000000000 f; mkdir d; touch -d @5 d; cp -p f g; test $(stat -c %Y g) = 1000000000`,
		"xattr":               `touch f; setfattr -n user.a -v 1 f; setfattr -n user.a -v 22 f; setfattr -n trusted.b -v x f; setfattr -n user.c -v y f; setfattr -x user.c f; ln -s f l; setfattr -h -n trusted.d -v z l`,
		"access lists":        `mkdir d; setfacl -d -m u:5:rwx,g::r-x,o::- d; setfacl -m u:6:rw d; umask 077; touch d/f; mkdir d/e; mkdir -m 700 d/g; echo x >d/e/h; setfacl -m u:9:r d/f; chmod 640 d/f; getfacl -n d/f | grep -q 'user:5:rwx'`,
		"sparse":              `truncate -s 10M f; dd if=/dev/urandom of=f bs=4k seek=100 count=3 conv=notrunc status=none; fallocate -p -o 404k -l 8k f; cp --sparse=always f g; fallocate -l 1M h; fallocate -z -o 4k -l 4k f; test $(stat -c %b f) -lt 100`,
		"truncate":            `head -c 100000 /dev/zero >f; truncate -s 5000 f; truncate -s 70000 f; : >f; echo x >f`,
		"append":              `for i in 1 2 3; do for j in $(seq 100); do echo $i.$j >>f; done & done; wait; test $(wc -l <f) = 300`,
		"names":               `touch -- "-n a  b" $'new\nline' 'ü' "$(printf '%0255d' 0)"; mkdir "a b"; mv 'ü' "a b/"; ! touch "$(printf '%0256d' 0)" 2>/dev/null`,
		"directory trees":     `for i in $(seq 30); do mkdir -p d$i/e/f; echo $i >d$i/e/f/g; done; rm -r d1*; mv d2 d3/; chmod -R g-w .`,
		"unlinked while open": `exec 3>f; echo a >&3; rm f; echo b >&3; chmod 600 /dev/fd/3; exec 3>&-; test ! -e f`,
	} {
		for _, mode := range []stream.Mode{stream.ModeFsync, stream.ModeWrite} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				p := newPair(t, mode)
				p.run(script)
				p.same()
			})
		}
	}
}

// A file that was removed while it is open stays one file on both sides.
func TestUnlinkedFiles(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	f, err := os.OpenFile(p.m+"/f", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	must(t, os.Link(p.m+"/f", p.m+"/g"))
	_, err = f.WriteString("before ")
	must(t, err)
	must(t, os.Remove(p.m+"/f"))
	must(t, os.WriteFile(p.m+"/f", []byte("another"), 0o644))
	_, err = f.WriteString("after")
	must(t, err)
	must(t, f.Chmod(0o640))
	must(t, f.Truncate(9))
	must(t, f.Sync())
	p.same() // by the name g
	must(t, os.Remove(p.m+"/g"))
	_, err = f.WriteString("gone")
	must(t, err)
	must(t, unix.Fsetxattr(int(f.Fd()), "user.a", []byte("b"), 0))
	must(t, f.Sync())
	must(t, f.Close())
	p.same()
}

func TestTmpfile(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	must(t, os.Mkdir(p.m+"/d", 0o2775))
	must(t, os.Chown(p.m+"/d", 5, 6))
	must(t, os.Chmod(p.m+"/d", os.ModeSetgid|0o775))
	fd, err := unix.Open(p.m+"/d", unix.O_TMPFILE|unix.O_RDWR, 0o640)
	must(t, err)
	_, err = unix.Write(fd, []byte("hello"))
	must(t, err)
	p.same()
	must(t, unix.Linkat(fd, "", unix.AT_FDCWD, p.m+"/d/named", unix.AT_EMPTY_PATH))
	_, err = unix.Write(fd, []byte(" world"))
	must(t, err)
	must(t, unix.Fsync(fd))
	must(t, unix.Close(fd))
	p.same()
	if b, err := os.ReadFile(p.b + "/d/named"); err != nil || string(b) != "hello world" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestExchange(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	p.run(`mkdir d; echo f >f; echo g >d/g`)
	f, err := os.OpenFile(p.m+"/f", os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	must(t, unix.Renameat2(unix.AT_FDCWD, p.m+"/f", unix.AT_FDCWD, p.m+"/d/g", unix.RENAME_EXCHANGE))
	_, err = f.WriteString("still f")
	must(t, err)
	must(t, f.Close())
	p.same()
	must(t, unix.Renameat2(unix.AT_FDCWD, p.m+"/d", unix.AT_FDCWD, p.m+"/f", unix.RENAME_EXCHANGE))
	p.run(`echo x >f/new; echo y >>d; chmod 600 f/g`)
	p.same()
	if err := unix.Renameat2(unix.AT_FDCWD, p.m+"/d", unix.AT_FDCWD, p.m+"/f", unix.RENAME_NOREPLACE); err != unix.EEXIST {
		t.Errorf("rename without replacing: %v", err)
	}
	p.same()
}

// Paths longer than PATH_MAX exist, and nothing here looks at a path.
func TestDeepDirectories(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	fd, err := unix.Open(p.m, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	name := strings.Repeat("d", 200)
	for range 40 {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	f, err := unix.Openat(fd, "f", unix.O_CREAT|unix.O_WRONLY, 0o644)
	must(t, err)
	_, err = unix.Write(f, []byte("deep"))
	must(t, err)
	must(t, unix.Fsync(f))
	must(t, unix.Close(f))
	must(t, unix.Close(fd))
	p.settled()
	for _, dir := range []string{p.a, p.b} {
		fd, err := unix.Open(dir, unix.O_PATH, 0)
		must(t, err)
		for range 40 {
			next, err := unix.Openat(fd, name, unix.O_PATH, 0)
			must(t, err)
			unix.Close(fd)
			fd = next
		}
		var st unix.Stat_t
		must(t, unix.Fstatat(fd, "f", &st, 0))
		unix.Close(fd)
		if st.Size != 4 {
			t.Errorf("%s: %d bytes", dir, st.Size)
		}
	}
}

// Whoever is not root loses the set-user-ID bit of a file by writing to it.
func TestSetUserIDIsCleared(t *testing.T) {
	const other = 4242
	p := newPair(t, stream.ModeFsync)
	must(t, os.Chmod(filepath.Dir(p.m), 0o755))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(p.m)), 0o755))
	for name, change := range map[string]string{
		"write": `echo x >>"$f"`, "truncate": `truncate -s 1 "$f"`, "overwrite": `echo x >"$f"`,
		"chown": `chgrp 4242 "$f"`, "mmap": `python3 -c 'import mmap,sys; f=open(sys.argv[1],"r+b"); m=mmap.mmap(f.fileno(),0); m[0]=65; m.flush()' "$f"`,
	} {
		t.Run(name, func(t *testing.T) {
			f := p.m + "/" + name
			must(t, os.WriteFile(f, []byte("data"), 0o777))
			must(t, os.Chown(f, other, other))
			must(t, unix.Chmod(f, 0o6777))
			p.run(fmt.Sprintf(`f=%s; setpriv --reuid %d --regid %d --clear-groups bash -ec '%s' || true`, f, other, other, strings.ReplaceAll(strings.ReplaceAll(change, `"$f"`, f), "'", `'\''`)))
			p.same()
			var st unix.Stat_t
			must(t, unix.Stat(f, &st))
			if want := uint32(0o777); name != "mmap" && st.Mode&0o7777 != want {
				t.Errorf("mode %o, want %o", st.Mode&0o7777, want)
			}
		})
	}
	f := p.m + "/root"
	must(t, os.WriteFile(f, []byte("data"), 0o777))
	must(t, unix.Chmod(f, 0o6777))
	p.run(`echo x >>root`)
	p.same()
	var st unix.Stat_t
	must(t, unix.Stat(f, &st))
	if st.Mode&0o7777 != 0o6777 {
		t.Errorf("root's write cleared bits: %o", st.Mode&0o7777)
	}
}

// Others' new files belong to them, with their umask and group, or the directory's.
func TestNewFilesOfOthers(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	must(t, os.Chmod(filepath.Dir(p.m), 0o755))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(p.m)), 0o755))
	p.run(`mkdir open group; chmod 777 open; chgrp 77 group; chmod 2777 group
	cd group; setpriv --reuid 5 --regid 6 --clear-groups bash -ec 'umask 027; touch f; mkdir d; ln -s f l; mkfifo p'
	cd ../open; setpriv --reuid 5 --regid 6 --clear-groups bash -ec 'umask 002; touch f; mkdir d; touch d/x; ln f g'
	! setpriv --reuid 7 --regid 7 --clear-groups bash -c 'echo x >>f' 2>/dev/null`)
	p.same()
	for name, want := range map[string]string{
		"group/f": "640 5 77", "group/d": "2750 5 77", "group/p": "640 5 77", "open/f": "664 5 6", "open/d": "775 5 6",
	} {
		var st unix.Stat_t
		must(t, unix.Lstat(p.b+"/"+name, &st))
		if got := fmt.Sprintf("%o %d %d", st.Mode&0o7777, st.Uid, st.Gid); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestMemoryMaps(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	must(t, os.WriteFile(p.m+"/f", make([]byte, 1<<20), 0o644))
	f, err := os.OpenFile(p.m+"/f", os.O_RDWR, 0)
	must(t, err)
	m, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	copy(m[5000:], "synced")
	must(t, unix.Msync(m, unix.MS_SYNC))
	must(t, f.Close())
	must(t, os.Rename(p.m+"/f", p.m+"/g"))
	copy(m[900_000:], "after the close and the rename")
	must(t, unix.Munmap(m))
	p.same()
}

// fsync(2), O_SYNC and a directory's fsync wait for the secondary's disk.
func TestWhatWaits(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	f, err := os.OpenFile(p.m+"/f", os.O_WRONLY|os.O_CREATE|os.O_SYNC, 0o644)
	must(t, err)
	before := p.rec.kinds()[stream.Fsync]
	_, err = f.WriteString("synchronous")
	must(t, err)
	if got := p.rec.kinds()[stream.Fsync] - before; got != 1 {
		t.Errorf("a synchronous write made %d syncs", got)
	}
	must(t, f.Close())
	d, err := os.Open(p.m)
	must(t, err)
	must(t, d.Sync())
	must(t, d.Sync())
	if got := p.rec.kinds()[stream.Fsync] - before; got != 2 { // nothing changed before the second
		t.Errorf("with the directory's %d syncs", got)
	}
	for i, change := range []string{"touch g", "mkdir d", "ln g h", "mv g i", "rm h", "mv d e", "ln -s x s", "rmdir e"} {
		p.run(change)
		must(t, d.Sync())
		if got := p.rec.kinds()[stream.Fsync] - before; got != 3+i {
			t.Errorf("after %s and the directory's: %d syncs, want %d", change, got, 3+i)
		}
	}
	must(t, d.Close())
	if st := p.rec.sender.Status(); st.Syncs != 0 {
		t.Errorf("%d syncs are not durable there", st.Syncs)
	}
	p.same()
}

// Many at once, on the same names and files.
func TestConcurrency(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 150 {
				name := fmt.Sprintf("%s/f%d", p.m, (w*7+i)%12)
				switch i % 8 {
				case 0, 1:
					_ = os.WriteFile(name, []byte(fmt.Sprint(w, i)), 0o644)
				case 2:
					_ = os.Rename(name, fmt.Sprintf("%s/f%d", p.m, (w+i)%12))
				case 3:
					_ = os.Link(name, fmt.Sprintf("%s/f%d", p.m, (w*3+i)%12))
				case 4:
					_ = os.Remove(name)
				case 5:
					_ = os.Chmod(name, os.FileMode(0o600+i%8))
				case 6:
					if f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0); err == nil {
						_, _ = fmt.Fprint(f, "more", w, i)
						if i%3 == 0 {
							_ = f.Sync()
						}
						f.Close()
					}
				case 7:
					_ = unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, fmt.Sprintf("%s/f%d", p.m, w), unix.RENAME_EXCHANGE)
				}
			}
		})
	}
	wg.Wait()
	p.same()
	if n := p.copy.Files(); n > 20 {
		t.Errorf("the copy holds %d files open, after all were closed", n)
	}
}

// In a new session the files are introduced again.
func TestNextSession(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	p.run(`mkdir -p d/e; echo one >d/e/f; echo two >g`)
	open, err := os.OpenFile(p.m+"/d/e/f", os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	_, err = open.WriteString("more\n")
	must(t, err)
	must(t, open.Sync()) // sends the times, too
	p.same()
	p.mount.Between(func() {
		p.rec.sender.Close()
		must(t, <-p.ended)
		p.copy.Close()
		p.connect()
	})
	_, err = open.WriteString("in another session\n")
	must(t, err)
	must(t, open.Close())
	p.run(`mv d x; echo three >>g; chmod 700 x/e; rm x/e/f`)
	p.same()
}

func TestRefusedOperations(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	must(t, os.WriteFile(p.m+"/f", []byte("kept"), 0o644))
	p.rec.mu.Lock()
	p.rec.refuse = fmt.Errorf("held")
	p.rec.mu.Unlock()
	if f, err := os.OpenFile(p.m+"/f", os.O_RDWR, 0); err != nil {
		t.Error(err)
	} else {
		if _, err := f.WriteString("lost"); err == nil {
			t.Error("a write that was not recorded was answered with success")
		}
		f.Close()
	}
	b, err := os.ReadFile(p.a + "/f")
	if err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	p.rec.mu.Lock()
	p.rec.refuse = nil
	p.rec.mu.Unlock()
}
