package fs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// pair is a mount on m over a, whose operations are applied to b.
type pair struct {
	t       testing.TB
	a, b, m string
	mount   *Mount
	rec     *recorder
	copy    *replica.Replica
	tape    *tape // if not nil, what is applied goes onto it
	ended   chan error
	rules   *exclude.Rules
	opts    Options
}

// recorder sends what it gets.
type recorder struct {
	mode stream.Mode

	mu       sync.Mutex
	session  uint64
	sender   *stream.Sender
	ops      []stream.Op // without data
	diverged []string
	refuse   error
	hold     func() // what the next operation waits for
}

type receipt struct {
	ticket stream.Ticket
	level  stream.Level
}

func (r receipt) Wait() error { return r.ticket.Wait(r.level) }
func (r receipt) Push()       { r.ticket.Push() }

func (r *recorder) Session() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

func (r *recorder) Record(op stream.Op, inodes ...uint64) (Receipt, error) {
	r.mu.Lock()
	sender, refuse, hold := r.sender, r.refuse, r.hold
	r.hold = nil
	plain := op
	plain.Data = nil
	if op.Kind == stream.Write {
		plain.Size = int64(len(op.Data))
	}
	r.ops = append(r.ops, plain)
	r.mu.Unlock()
	if hold != nil {
		hold()
	}
	if slices.Contains(inodes, 0) || len(inodes) == 0 || refuse != nil {
		return nil, errors.Join(refuse, fmt.Errorf("inodes %d", inodes))
	}
	level := r.mode.Wait(op.Kind)
	ticket, err := sender.Put(op, level)
	return receipt{ticket, level}, err
}

func (r *recorder) Diverged(inode uint64, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.diverged = append(r.diverged, fmt.Sprintf("%d: %v", inode, why))
}

// kinds counts what was recorded.
func (r *recorder) kinds() map[stream.Kind]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[stream.Kind]int{}
	for _, op := range r.ops {
		n[op.Kind]++
	}
	return n
}

func newPair(t testing.TB, mode stream.Mode) *pair {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return newPairIn(t, dir, mode)
}

func newPairIn(t testing.TB, dir string, mode stream.Mode) *pair {
	t.Helper()
	return newPairWith(t, dir, mode, Options{})
}

// newPairOf is a pair with options of its own.
func newPairOf(t testing.TB, o Options) *pair {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	return newPairWith(t, dir, stream.ModeFsync, o)
}

func newPairWith(t testing.TB, dir string, mode stream.Mode, o Options) *pair {
	t.Helper()
	p := &pair{t: t, rules: o.Rules, a: dir + "/a", b: dir + "/b", m: dir + "/m", rec: &recorder{mode: mode}}
	for _, d := range []string{p.a, p.b, p.m} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.connect()
	var err error
	o.Dir, o.Backing = p.m, p.a
	p.opts = o
	if p.mount, err = Start(o, p.rec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.mount != nil {
			broken := p.rec.sender.Err() != nil // then what is still to be written is refused
			if err := p.mount.Stop(); err != nil && !broken {
				t.Error(err)
			}
		}
		p.rec.sender.Close()
		<-p.ended
		p.copy.Close()
	})
	return p
}

// connect begins a session.
func (p *pair) connect() {
	p.t.Helper()
	c, err := replica.Open(p.b)
	if err != nil {
		p.t.Fatal(err)
	}
	c.KeepLocal(!p.rules.None())
	near, far := net.Pipe()
	ended := make(chan error, 1)
	var target stream.FileSystem = c
	if p.tape != nil {
		p.tape.FileSystem, target = c, p.tape
	}
	go func() {
		r, err := stream.NewReceiver(far, target, stream.Options{})
		if err == nil {
			err = r.Run()
		}
		ended <- err
	}()
	sender, err := stream.NewSender(near, stream.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.copy, p.ended = c, ended
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	p.rec.sender, p.rec.session = sender, p.rec.session+1
}

// settled waits until all that was recorded is applied.
func (p *pair) settled() {
	p.t.Helper()
	fd, err := unix.Open(p.m, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		p.t.Fatal(err)
	}
	ticket, err := p.rec.sender.Send(stream.Op{Kind: stream.Ping})
	if err == nil {
		err = ticket.Wait(stream.Applied)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// same compares the copy with the backing directory and with what is seen in the mount.
func (p *pair) same() {
	p.t.Helper()
	p.settled()
	a, b, m := p.tree(p.a), p.tree(p.b), p.tree(p.m)
	for name := range m {
		if m[name] != a[name] && !(p.opts.WriteBack && withoutTime(m[name]) == withoutTime(a[name])) {
			p.t.Errorf("%s\n  here  %s\n  mount %s", name, a[name], m[name])
		}
	}
	for _, tree := range []map[string]string{a, b} {
		for name, s := range tree {
			if p.rules.Local(strings.TrimPrefix(name, "/"), strings.HasPrefix(s, "mode 4")) {
				delete(tree, name)
			}
		}
	}
	for name, want := range a {
		if b[name] != want {
			p.t.Errorf("%s\n  here  %s\n  there %s", name, want, b[name])
		}
	}
	for name := range b {
		if a[name] == "" {
			p.t.Errorf("%s is there only", name)
		}
	}
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	if len(p.rec.diverged) > 0 {
		p.t.Errorf("diverged: %v", p.rec.diverged)
	}
}

// withoutTime leaves out when a file was written, of which the kernel knows more.
func withoutTime(s string) string {
	before, rest, _ := strings.Cut(s, " mtime ")
	_, after, _ := strings.Cut(rest, " ")
	return before + " " + after
}

// tree describes each file below dir.
func (p *pair) tree(dir string) map[string]string {
	p.t.Helper()
	tree, groups := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if groups[st.Ino] == "" {
			groups[st.Ino] = name
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR && !p.rules.None() {
			st.Nlink = 0 // local directories count
		}
		s := fmt.Sprintf("mode %o owner %d:%d links %d (%s) rdev %d", st.Mode, st.Uid, st.Gid, st.Nlink, groups[st.Ino], st.Rdev)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" size %d blocks %d mtime %d sum %x", st.Size, dataBlocks(st), st.Mtim.Nano(), sum(content))
		case unix.S_IFLNK:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			s += " to " + to
		}
		attrs, err := xattrs(path)
		tree[name] = s + attrs
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return tree
}

func sum(b []byte) uint64 { // FNV-1a, RFC 9923
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func xattrs(path string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	s := ""
	for _, name := range names {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", err
		}
		s += fmt.Sprintf(" %s=%x", name, sum(value[:n]))
	}
	return s, nil
}

// run runs a shell script in the mount.
func (p *pair) run(script string) string {
	p.t.Helper()
	cmd := exec.Command("bash", "-euc", script)
	cmd.Dir = p.m
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("%s\n%s\n%v after %s", script, out.String(), err, time.Since(begin))
	}
	return out.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dataBlocks is how much a file takes, to tell holes. Of one with many extents the file system's own blocks
// count, too, and two copies may well differ in them: in a large one less than 64 KiB is left out.
func dataBlocks(st unix.Stat_t) int64 {
	if st.Blocks > 2048 {
		return st.Blocks &^ 127
	}
	return st.Blocks
}
