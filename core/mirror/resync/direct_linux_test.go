package resync

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// direct is a Peer whose copy is in this process: a function call stands for the stream.
type direct struct {
	mu      sync.Mutex
	files   *replica.Replica
	target  *Target
	last    uint64
	answers map[uint64]chan Answer
	before  func(stream.Op) error // is told of each operation, and may refuse it
}

func (d *direct) Send(op stream.Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.before(op); err != nil {
		return err
	}
	return d.files.Apply(op)
}

func (d *direct) Post(r Request) (func() (Answer, error), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	r.Number = d.last
	parts := make(chan Answer, 1000)
	d.answers[r.Number] = parts
	wait := func() (all Answer, _ error) {
		for {
			a := <-parts
			all.Entries, all.Differs, all.Error = append(all.Entries, a.Entries...), append(all.Differs, a.Differs...), all.Error+a.Error
			for k, v := range a.Xattrs {
				if all.Xattrs == nil {
					all.Xattrs = map[string][]byte{}
				}
				all.Xattrs[k] = v
			}
			if !a.More {
				return all, nil
			}
		}
	}
	return wait, d.target.Handle(r)
}

// newDirect makes a source and its copy, both empty; source and copy are their paths.
func newDirect(t *testing.T) (s *Source, d *direct, source, copy string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("owners and links of descriptors need root")
	}
	source, copy = t.TempDir(), t.TempDir()
	files, err := replica.Open(copy)
	must(t, err)
	t.Cleanup(files.Close)
	d = &direct{files: files, answers: map[uint64]chan Answer{}, before: func(stream.Op) error { return nil }}
	var answering sync.Mutex
	d.target = NewTarget(files, TargetOptions{Answer: func(a Answer) {
		answering.Lock()
		defer answering.Unlock()
		d.answers[a.Number] <- a
	}})
	t.Cleanup(d.target.Close)
	root, err := unix.Open(source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(root) })
	return NewSource(root, d, Options{Root: stream.Root, ZoneSize: 1 << 20}), d, source, copy
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// marked are zones of files.
func marked(t *testing.T, zone ...any) (w Work) {
	t.Helper()
	for i := 0; i < len(zone); i += 2 {
		var st unix.Stat_t
		must(t, unix.Lstat(zone[i].(string), &st))
		w.Zones = append(w.Zones, zones.Zone{Inode: st.Ino, Index: uint32(zone[i+1].(int))})
	}
	return w
}

// A file that got a second name is linked to what the copy has under the first; when that
// name leads to another file meanwhile, nothing of the other gets into it.
func TestFirstNameIsReplacedMeanwhile(t *testing.T) {
	s, d, source, copy := newDirect(t)
	for _, dir := range []string{source, copy} {
		must(t, os.Mkdir(dir+"/d", 0o755))
		must(t, os.WriteFile(dir+"/d/first", []byte("mine, "+dir), 0o644))
		must(t, os.WriteFile(dir+"/other", []byte("the other's"), 0o644))
	}
	must(t, os.Link(source+"/d/first", source+"/second"))
	replaced := false
	d.before = func(op stream.Op) error {
		if op.Kind == stream.Bind && op.Name == "first" && !replaced {
			replaced = true
			return os.Rename(source+"/other", source+"/d/first")
		}
		return nil
	}
	must(t, s.Round(context.Background(), marked(t, source, int(zones.Names), source+"/second", int(zones.Whole))))
	if !replaced {
		t.Fatal("the first name was not used")
	}
	want, err := os.ReadFile(source + "/second")
	must(t, err)
	if got, err := os.ReadFile(copy + "/second"); err != nil || string(got) != string(want) {
		t.Errorf("the copy's second name leads to %q, %v, and not to %q", got, err, want)
	}
}

// An error names its place once, however deep that is.
func TestErrorsNameTheirPlace(t *testing.T) {
	s, d, source, _ := newDirect(t)
	must(t, os.MkdirAll(source+"/a/b/c", 0o755))
	full := errors.New("the disk is full")
	d.before = func(op stream.Op) error {
		if op.Name == "c" {
			return full
		}
		return nil
	}
	err := s.Round(context.Background(), Work{Everything: true})
	if !errors.Is(err, full) || err.Error() != "compare a/b/c: the disk is full" {
		t.Errorf("the error is %v", err)
	}
}
