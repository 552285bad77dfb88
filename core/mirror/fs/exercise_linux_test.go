package fs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// exerciser changes a file in every way that there is, beside a model of it in memory, and
// reads it back in every way. (What xfstests' fsx does, too; that one is run by hand.)
type exerciser struct {
	rng  *rand.Rand
	name string
	fd   int
	want []byte
}

const exerciseMost = 300_000

// part draws a range that begins in the file, or up to most if it may grow.
func (x *exerciser) part(grow bool) (at, size int) {
	limit := len(x.want)
	if grow {
		limit = exerciseMost - 1
	}
	at = x.rng.IntN(limit + 1)
	return at, x.rng.IntN(min(64<<10, max(len(x.want), limit)-at+1) + 1)
}

func (x *exerciser) grow(size int) {
	if size > len(x.want) {
		x.want = append(x.want, make([]byte, size-len(x.want))...)
	}
}

func (x *exerciser) random(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(x.rng.Uint32())
	}
	return b
}

// step does one thing, and names it.
func (x *exerciser) step() (what string, err error) {
	switch x.rng.IntN(14) {
	default:
		at, size := x.part(true)
		data := x.random(size)
		if size > 0 {
			x.grow(at + size)
		}
		copy(x.want[min(at, len(x.want)):], data)
		_, err = unix.Pwrite(x.fd, data, int64(at))
		return fmt.Sprintf("write %d+%d", at, size), err
	case 0, 1:
		at, size := x.part(false)
		return fmt.Sprintf("map %d+%d", at, size), x.mapped(at, size)
	case 2:
		size := x.rng.IntN(exerciseMost)
		x.grow(size)
		x.want = x.want[:size]
		return fmt.Sprintf("truncate %d", size), unix.Ftruncate(x.fd, int64(size))
	case 3, 4:
		at, size := x.part(false)
		mode := []uint32{unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE}[x.rng.IntN(2)]
		clear(x.want[at : at+size])
		if size == 0 {
			return "nothing", nil
		}
		return fmt.Sprintf("clear %d+%d (%d)", at, size, mode), unix.Fallocate(x.fd, mode, int64(at), int64(size))
	case 5:
		at, size := x.part(true)
		x.grow(at + size + 1)
		return fmt.Sprintf("allocate %d+%d", at, size+1), unix.Fallocate(x.fd, 0, int64(at), int64(size+1))
	case 6:
		from, size := x.part(false)
		to := x.rng.IntN(exerciseMost)
		if size = min(size, max(from, to)-min(from, to)); size == 0 { // apart from each other
			return "nothing", nil
		}
		x.grow(to + size)
		copy(x.want[to:], x.want[from:from+size])
		return fmt.Sprintf("copy %d+%d to %d", from, size, to), x.copyRange(from, to, size)
	case 7:
		at, data := x.rng.IntN(60)*4096, x.random(4096*(1+x.rng.IntN(4)))
		x.grow(at + len(data))
		copy(x.want[at:], data)
		return fmt.Sprintf("direct write %d+%d", at, len(data)), x.direct(at, data)
	case 8:
		if err = unix.Close(x.fd); err == nil {
			x.fd, err = unix.Open(x.name, unix.O_RDWR|unix.O_CLOEXEC, 0)
		}
		return "close and open", err
	case 9:
		return "sync", unix.Fdatasync(x.fd)
	}
}

// mapped writes by a mapping, and reads by it what was written otherwise.
func (x *exerciser) mapped(at, size int) error {
	if len(x.want) == 0 {
		return nil
	}
	m, err := unix.Mmap(x.fd, 0, len(x.want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if !bytes.Equal(m, x.want) {
		err = fmt.Errorf("the mapping holds something else: %s", differ(m, x.want))
	}
	data := x.random(size)
	copy(m[at:], data)
	copy(x.want[at:], data)
	if err == nil && x.rng.IntN(2) == 0 {
		err = unix.Msync(m, unix.MS_SYNC)
	}
	if failed := unix.Munmap(m); err == nil {
		err = failed
	}
	return err
}

func (x *exerciser) copyRange(from, to, size int) error {
	in, out := int64(from), int64(to)
	for size > 0 {
		n, err := unix.CopyFileRange(x.fd, &in, x.fd, &out, size, 0)
		if err != nil || n == 0 {
			return fmt.Errorf("%d bytes are left: %w", size, err)
		}
		size -= n
	}
	return nil
}

func (x *exerciser) direct(at int, data []byte) error {
	fd, err := unix.Open(x.name, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	aligned, err := unix.Mmap(-1, 0, len(data), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	copy(aligned, data)
	_, err = unix.Pwrite(fd, aligned, int64(at))
	_ = unix.Munmap(aligned)
	return err
}

// differ says where two contents do.
func differ(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d is %d, not %d", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("%d bytes, not %d", len(got), len(want))
}

// exercise runs in a process of its own: a mapping's page that the mount has to bring must not
// hold up the process that serves it.
func exercise(t *testing.T, name string, seed uint64) {
	x := &exerciser{rng: rand.New(rand.NewPCG(seed, 5)), name: name}
	var err error
	x.fd, err = unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	must(t, err)
	for n := range 250 {
		what, err := x.step()
		if err != nil {
			t.Fatalf("seed %d, step %d: %s: %v", seed, n, what, err)
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, x.want) {
			t.Fatalf("seed %d, step %d: after %s: %v, %s", seed, n, what, err, differ(got, x.want))
		}
	}
}

// A file that is changed in every way reads as it should after each, and is the same there.
func TestEveryWayOfWriting(t *testing.T) {
	if name := os.Getenv("EXERCISE"); name != "" {
		exercise(t, name, uint64(len(filepath.Base(name))))
		return
	}
	p := newPair(t, stream.ModeFsync)
	var running []*exec.Cmd
	for _, name := range []string{"f", "ff"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEveryWayOfWriting$")
		cmd.Env = append(os.Environ(), "EXERCISE="+p.m+"/"+name)
		cmd.Stdout = t.Output()
		must(t, cmd.Start())
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", cmd.Env[len(cmd.Env)-1], err)
		}
	}
	p.same()
}
