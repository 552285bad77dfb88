package fs

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// With write-back, writes are gathered by the kernel; what waits for something waits until
// all of them were sent.
func TestWriteBack(t *testing.T) {
	p := newPairOf(t, Options{WriteBack: true})
	written := func() (bytes int64) {
		p.rec.mu.Lock()
		defer p.rec.mu.Unlock()
		for _, op := range p.rec.ops {
			if op.Kind == stream.Write {
				bytes += op.Size
			}
		}
		p.rec.ops = nil
		return bytes
	}
	f, err := os.OpenFile(p.m+"/f", os.O_WRONLY|os.O_CREATE, 0o644)
	must(t, err)
	block := slices.Repeat([]byte("x"), 100)
	write := func(n int) {
		for range n {
			_, err := f.Write(block)
			must(t, err)
		}
	}
	write(50)
	if n := written(); n != 0 {
		t.Errorf("%d bytes were sent at once", n)
	}
	must(t, f.Sync())
	p.rec.mu.Lock()
	last := p.rec.ops[len(p.rec.ops)-1].Kind
	p.rec.mu.Unlock()
	if n := written(); n < 5000 || last != stream.Fsync {
		t.Errorf("after fsync %d bytes were sent; the last operation was a %s", n, last)
	}
	for what, flush := range map[string]func() error{
		"fdatasync": func() error { return unix.Fdatasync(int(f.Fd())) },
		"syncfs":    func() error { return unix.Syncfs(int(f.Fd())) },
		"truncate":  func() error { return unix.Ftruncate(int(f.Fd()), 1<<20) },
		"fallocate": func() error { return unix.Fallocate(int(f.Fd()), 0, 0, 2<<20) },
		"a dup closed": func() error {
			fd, err := unix.Dup(int(f.Fd()))
			must(t, err)
			return unix.Close(fd)
		},
	} {
		write(50)
		must(t, flush())
		n := written()
		for end := time.Now().Add(10 * time.Second); what == "syncfs" && n == 0 && time.Now().Before(end); runtime.Gosched() {
			n = written() // Linux begins to write back, and need not wait for a FUSE file system
		}
		if n == 0 && what != "truncate" && what != "fallocate" {
			t.Errorf("%s: nothing was sent", what)
		}
	}
	write(1)
	if at, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA); err != nil || at != 0 {
		t.Errorf("data is at %d, %v", at, err)
	}
	must(t, f.Close())
	s, err := os.OpenFile(p.m+"/s", os.O_WRONLY|os.O_CREATE|unix.O_DSYNC, 0o644)
	must(t, err)
	written()
	_, err = s.Write(block)
	must(t, err)
	if kinds := p.rec.kinds(); kinds[stream.Fsync] != 1 || written() != 100 {
		t.Errorf("a synchronous write: %v", kinds)
	}
	must(t, s.Close())
	p.same()
}

// What was written and closed is there before the name that replaces another.
func TestReplacingWithWriteBack(t *testing.T) {
	p := newPairOf(t, Options{WriteBack: true})
	p.run(`for i in $(seq 50); do echo $i >new; mv new f; touch -d @$i f; done; seq 1000 >g; echo more >>g; dd if=g of=h bs=700 conv=notrunc status=none; truncate -s 99 g
		python3 -c 'import mmap,os; f=open("h","r+b"); m=mmap.mmap(f.fileno(),0); f.seek(8); f.write(b"written"); f.flush(); m[9]=65; m.flush(); assert os.pread(f.fileno(),3,8)==b"wAi"'`)
	p.same()
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	sent := false
	for _, op := range p.rec.ops {
		switch {
		case op.Kind == stream.Create && op.Name == "new":
			sent = false
		case op.Kind == stream.Write:
			sent = true
		case op.Kind == stream.Rename && !sent:
			t.Fatal("a name was replaced before its data was sent")
		}
	}
}

// A name that replaces another comes after the data, though the new file is still open.
func TestReplacingWhileOpenWithWriteBack(t *testing.T) {
	p := newPairOf(t, Options{WriteBack: true})
	p.run("echo old >f")
	f, err := os.Create(p.m + "/new")
	must(t, err)
	_, err = f.Write(slices.Repeat([]byte("x"), 100_000))
	must(t, err)
	must(t, os.Rename(p.m+"/new", p.m+"/f"))
	p.rec.mu.Lock()
	sent := int64(0)
	for _, op := range p.rec.ops {
		switch op.Kind {
		case stream.Write:
			sent = max(sent, op.Offset+op.Size)
		case stream.Rename:
			if sent < 100_000 {
				t.Errorf("the name was replaced when %d bytes were sent", sent)
			}
		}
	}
	p.rec.mu.Unlock()
	_, err = f.Write([]byte("more"))
	must(t, err)
	must(t, f.Close())
	p.same()
}

// What nobody syncs is sent soon, though the kernel would keep it for half a minute.
func TestGatheredForASecond(t *testing.T) {
	p := newPairOf(t, Options{WriteBack: true})
	f, err := os.Create(p.m + "/f")
	must(t, err)
	defer f.Close()
	_, err = f.Write([]byte("x"))
	must(t, err)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); p.rec.kinds()[stream.Write] == 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatal("nothing was sent within 20 s")
		}
	}
}
