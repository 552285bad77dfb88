package fs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// newBordered is a pair where run/, d/cache/ and *.tmp are local.
func newBordered(t *testing.T) *pair {
	t.Helper()
	rules, err := exclude.New([]string{"run", "d/cache"}, []exclude.Pattern{{Regex: `\.tmp$`}})
	must(t, err)
	return newPairOf(t, Options{Rules: rules})
}

func (p *pair) missingThere(names ...string) {
	p.t.Helper()
	for _, n := range names {
		if _, err := os.Lstat(p.b + "/" + n); !os.IsNotExist(err) {
			p.t.Errorf("%s is there, too: %v", n, err)
		}
	}
}

func TestLocalFilesAreNotSent(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir -p d/cache run/x; echo 1 >run/x/f; echo 2 >d/cache/g; echo 3 >d/h.tmp; echo 4 >d/i
		ln -s f run/l; mkfifo run/p; ln run/x/f run/x/k; setfattr -n user.a -v b run/x/f; chmod 600 d/h.tmp; truncate -s 99 d/cache/g
		mv run/x run/y; sync d/h.tmp run/y d/i; rm run/y/k`)
	p.same()
	p.missingThere("run", "d/cache", "d/h.tmp")
	if ops := p.rec.kinds(); ops[stream.Create] != 2 || ops[stream.Unlink] != 0 { // d and d/i
		t.Errorf("%v", ops)
	}
	// What is local there stays, also when its directory is renamed.
	must(t, os.Mkdir(p.b+"/run", 0o755))
	must(t, os.WriteFile(p.b+"/run/f", []byte("its own"), 0o644))
	must(t, os.WriteFile(p.b+"/d/j.tmp", []byte("its own"), 0o644))
	p.run(`echo another >run/f; echo another >d/j.tmp; rm d/j.tmp; rm -r d/cache; mv d e`)
	p.same()
	for _, n := range []string{"run/f", "e/j.tmp"} {
		if b, err := os.ReadFile(p.b + "/" + n); err != nil || string(b) != "its own" {
			t.Errorf("%s there: %q, %v", n, b, err)
		}
	}
}

func TestRenamesAcrossTheBorder(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir run d; seq 30000 >run/f; chmod 4751 run/f; chown 5:6 run/f; setfattr -n user.a -v b run/f; setfacl -m u:7:r run/f; touch -d @1234567890 run/f
		truncate -s 5M run/sparse; echo end >>run/sparse; ln -s a/b run/link; mkfifo -m 604 run/pipe; mknod run/dev c 1 3; : >run/empty; echo new >run/over; echo old >over; ln over kept`)
	p.same()
	p.missingThere("run")
	p.run(`for f in f sparse link pipe dev empty over; do mv run/$f $f; done; echo more >>f; mv f d/g; chmod 640 d/g`)
	p.same()
	p.run(`mv d/g d/g.tmp; mv sparse run/; mv link run/; echo x >>d/g.tmp; mv over run/over`)
	p.same()
	p.missingThere("d/g", "d/g.tmp", "sparse", "run", "link", "over")
	p.run(`mv d/g.tmp kept; echo y >>kept; sync kept`)
	p.same()
}

// A file that is open goes on being written, on whichever side it is.
func TestOpenFilesCross(t *testing.T) {
	p := newBordered(t)
	f, err := os.Create(p.m + "/x.tmp")
	must(t, err)
	write := func(s string) {
		_, err := f.WriteString(s)
		must(t, err)
		must(t, f.Sync())
	}
	write("local ")
	p.missingThere("x.tmp")
	must(t, os.Rename(p.m+"/x.tmp", p.m+"/x"))
	write("replicated ")
	p.same()
	if b, err := os.ReadFile(p.b + "/x"); err != nil || string(b) != "local replicated " {
		t.Errorf("there: %q, %v", b, err)
	}
	must(t, os.Rename(p.m+"/x", p.m+"/x.tmp"))
	write("local again ")
	p.missingThere("x")
	must(t, os.Rename(p.m+"/x.tmp", p.m+"/y"))
	must(t, f.Close())
	p.same()
	if n := p.copy.Files(); n > 2 {
		t.Errorf("the copy holds %d files open", n)
	}
}

func TestNamelessFilesCross(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir run`)
	for from, to := range map[string]string{"run": "in", ".": "out.tmp"} {
		fd, err := unix.Open(filepath.Join(p.m, from), unix.O_TMPFILE|unix.O_RDWR, 0o640)
		must(t, err)
		_, err = unix.Write(fd, []byte("hello"))
		must(t, err)
		must(t, unix.Linkat(fd, "", unix.AT_FDCWD, p.m+"/"+to, unix.AT_EMPTY_PATH))
		_, err = unix.Write(fd, []byte(" world"))
		must(t, err)
		must(t, unix.Close(fd))
	}
	p.same()
	p.missingThere("out.tmp")
}

// What would leave a file or a directory on both sides is refused; mv(1) copies then.
func TestWhatCannotCross(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir run run/d d d/e empty; echo 1 >run/f; echo 2 >f; ln f g; echo 3 >d/e/x.tmp; echo 4 >d/e/y; echo 5 >run/d/f; mkdir d/cache`)
	for what, err := range map[string]error{
		"link in":                    os.Link(p.m+"/run/f", p.m+"/h"),
		"link out":                   os.Link(p.m+"/f", p.m+"/run/h"),
		"rename of linked":           os.Rename(p.m+"/f", p.m+"/f.tmp"),
		"directory in":               os.Rename(p.m+"/run/d", p.m+"/k"),
		"directory out":              os.Rename(p.m+"/d/e", p.m+"/run/e"),
		"a path in the directory":    os.Rename(p.m+"/d", p.m+"/k"),
		"exchange":                   unix.Renameat2(unix.AT_FDCWD, p.m+"/run/f", unix.AT_FDCWD, p.m+"/f", unix.RENAME_EXCHANGE),
		"exchange of a directory":    unix.Renameat2(unix.AT_FDCWD, p.m+"/empty", unix.AT_FDCWD, p.m+"/run/d", unix.RENAME_EXCHANGE),
		"exchange with its contents": unix.Renameat2(unix.AT_FDCWD, p.m+"/empty", unix.AT_FDCWD, p.m+"/d", unix.RENAME_EXCHANGE),
	} {
		if e := err; !strings.Contains(fmt.Sprint(e), "cross-device") {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.run(`mv run/d k; mv d/e run/e; rmdir d/cache; mv d l; mkdir d`)
	p.same()
	p.run(`mv k/f k/g.tmp; mv k run/k; mv run/e d/`)
	p.same()
}

// A directory that the application has removed may hold local files on the other node.
func TestRemovedDirectoriesHoldLocalFilesThere(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir -p d/e f g`)
	p.same()
	must(t, os.WriteFile(p.b+"/d/e/x.tmp", nil, 0o644))
	must(t, os.MkdirAll(p.b+"/d/cache/y", 0o755))
	must(t, os.WriteFile(p.b+"/g/x.tmp", nil, 0o644))
	p.run(`rmdir d/e d`)
	must(t, unix.Rename(p.m+"/f", p.m+"/g"))
	p.same()
}

func TestRulesChange(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir run d d/cache; echo 1 >run/f; echo 2 >d/cache/g; echo 3 >x.tmp; echo 4 >log`)
	p.same()
	log, err := os.OpenFile(p.m+"/log", os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	defer log.Close()
	rules, err := exclude.New([]string{"run", "log"}, nil)
	must(t, err)
	must(t, p.mount.SetRules(rules))
	p.rules = rules
	_, err = log.WriteString("not sent")
	must(t, err)
	must(t, log.Sync())
	p.settled()
	if b, err := os.ReadFile(p.b + "/log"); err != nil || string(b) != "4\n" {
		t.Errorf("there: %q, %v", b, err)
	}
	p.rec.mu.Lock()
	diverged := p.rec.diverged
	p.rec.diverged = nil
	p.rec.mu.Unlock()
	var want []string
	for _, n := range []string{"", "/x.tmp", "/d", "/d/cache", "/d/cache/g"} {
		var st unix.Stat_t
		must(t, unix.Lstat(p.a+n, &st))
		want = append(want, fmt.Sprintf("%d: %v", st.Ino, errAdded))
	}
	for _, d := range diverged {
		if !slices.Contains(want, d) {
			t.Errorf("%s was not to be copied", d)
		}
	}
	for _, w := range want {
		if !slices.Contains(diverged, w) {
			t.Errorf("%s was to be copied", w)
		}
	}
	p.run(`echo 5 >run/f; mkdir d/n; echo 6 >d/n/x.tmp`)
	// As the resynchronisation would:
	must(t, os.CopyFS(p.b+"/d/cache", os.DirFS(p.a+"/d/cache")))
	must(t, os.WriteFile(p.b+"/x.tmp", []byte("3\n"), 0o644))
	p.run(`echo 7 >>x.tmp; echo 8 >>d/cache/g; touch -d @7 d/cache/g x.tmp`)
	p.same()
}

func TestLinksAcrossTheBorderAreRefused(t *testing.T) {
	p := newBordered(t)
	rules, err := exclude.New([]string{"cold"}, nil)
	must(t, err)
	p.run(`mkdir cold; echo 1 >f; ln f cold/g; echo 2 >cold/a; ln cold/a cold/b`)
	if err := p.mount.SetRules(rules); err == nil || !strings.Contains(err.Error(), "f and cold/g are one file") {
		t.Error(err)
	}
	p.run(`rm f`)
	must(t, os.Link(p.m+"/cold/a", p.m+"/run.tmp2")) // both are replicated still
	must(t, os.Remove(p.m+"/run.tmp2"))
	must(t, p.mount.SetRules(rules))
	must(t, p.mount.Stop())
	must(t, os.Link(p.a+"/cold/a", p.a+"/h"))
	if _, err := Start(Options{Dir: p.m, Backing: p.a, Rules: rules}, p.rec); err == nil || !strings.Contains(err.Error(), "h and cold/") {
		t.Error(err)
	}
	if _, err := Start(Options{Dir: p.m, Backing: p.a, MustHave: []string{"cold", "not/there"}}, p.rec); err == nil || !strings.Contains(err.Error(), "not/there must be there") {
		t.Error(err)
	}
}

// Files go to and fro and are written by many at once.
func TestBorderUnderLoad(t *testing.T) {
	p := newBordered(t)
	p.run(`mkdir run d`)
	names := []string{"a", "b", "c.tmp", "d/a", "d/b.tmp", "run/a", "run/b"}
	var wg sync.WaitGroup
	for w := range uint64(6) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(4, w))
			pick := func() string { return p.m + "/" + names[rng.IntN(len(names))] }
			for i := range 150 {
				switch rng.IntN(7) {
				case 0, 1:
					_ = os.WriteFile(pick(), make([]byte, rng.IntN(20000)), 0o644)
				case 2, 3:
					_ = os.Rename(pick(), pick())
				case 4:
					_ = os.Link(pick(), pick())
				case 5:
					_ = os.Remove(pick())
				case 6:
					if f, err := os.OpenFile(pick(), os.O_RDWR|os.O_APPEND, 0); err == nil {
						_, _ = fmt.Fprint(f, "more", w, i)
						_ = f.Sync()
						f.Close()
					}
				}
			}
		})
	}
	wg.Wait()
	p.same()
}

// Rules that cannot be taken over, as the directory cannot be looked through, leave the old ones.
func TestRulesThatCannotChange(t *testing.T) {
	p := newBordered(t)
	root, before := p.mount.fs.table.root(), p.mount.fs.rules
	fd := root.fd
	root.fd = -1
	err := p.mount.SetRules(nil)
	root.fd = fd
	if err == nil || p.mount.fs.rules != before {
		t.Errorf("the rules changed: %v, with the error %v", p.mount.fs.rules != before, err)
	}
	must(t, p.mount.SetRules(nil))
}
