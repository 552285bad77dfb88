package fs

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

func TestDirectoriesThatAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	mkdir := func(name string) string {
		p := dir + "/" + name
		must(t, os.MkdirAll(p, 0o755))
		return p
	}
	empty, good := mkdir("empty"), mkdir("good")
	must(t, os.WriteFile(mkdir("full")+"/f", nil, 0o644))
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	must(t, os.Symlink(good, dir+"/link"))
	mkdir("good/in")
	mount := func(at, kind string) string {
		must(t, unix.Mount("x", at, kind, 0, ""))
		t.Cleanup(func() { must(t, unix.Unmount(at, 0)) })
		return at
	}
	memory := mount(mkdir("memory"), "tmpfs")
	mount(mkdir("mixed/in side"), "tmpfs")
	for _, c := range []struct{ dir, backing, want string }{
		{empty, dir + "/missing", "does not exist"},
		{dir + "/missing", good, "does not exist"},
		{empty, dir + "/file", "not a directory"},
		{empty, dir + "/link", "symbolic link"},
		{empty, dir + "/link/in", "name that"},
		{empty, "/", "cannot be replicated"},
		{empty, "good", "not an absolute"},
		{empty, good + "/", "plain path"},
		{good + "/in", good, "within the other"},
		{good, good, "within the other"},
		{dir + "/full", good, "not empty (f and more)"},
		{empty, memory, "tmpfs"},
		{memory, good, "unmount it first"},
		{empty, "/proc/sys", "procfs"},
		{empty, dir + "/mixed", "/mixed/in side"},
	} {
		if err := mountable(c.dir, c.backing); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s over %s: %v; want …%s…", c.dir, c.backing, err, c.want)
		}
	}
	if err := mountable(empty, good); err != nil {
		t.Error(err)
	}
}

func TestBusyDirectoriesAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, d := range []string{"a", "m"} {
		must(t, os.Mkdir(dir+"/"+d, 0o755))
	}
	for what, script := range map[string]string{
		"cwd": `cd "$1"; echo; read`,
		"fd":  `exec 5>"$1/f"; echo; read`,
		"exe": `cp /bin/bash "$1/sh"; exec "$1/sh" -c 'echo; read'`,
	} {
		cmd, in := waiting(t, "bash", "-c", script, "bash", dir+"/a")
		_, err := Start(Options{Dir: dir + "/m", Backing: dir + "/a"}, &recorder{session: 1})
		if busy := (*BusyError)(nil); !errors.As(err, &busy) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		in.Close()
		_ = cmd.Wait()
	}
	if err := mountable(dir+"/m", dir+"/a"); err != nil {
		t.Errorf("when all have ended: %v", err)
	}
}

// A process that the kernel does not answer about keeps nobody waiting for long.
func TestProcessesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		begin := time.Now()
		found := look([]int{-1, -2, -3, -4, -5}, func(pid int) string {
			switch pid {
			case -2, -4:
				<-hang
			case -1:
				return ""
			}
			return "open"
		})
		if !slices.Equal(found, []user{{-3, "open"}, {-5, "open"}}) || time.Since(begin) > 2*proc.Patience {
			t.Errorf("%v after %s", found, time.Since(begin))
		}
	})
}

// A mount that was copied into another mount namespace, with a file open there, ends
// as well, and can be started anew.
func TestStopEndsCopiesOfTheMount(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	must(t, os.WriteFile(p.m+"/f", []byte("kept"), 0o644))
	inside := exec.Command("bash", "-c", `cd "$0"; echo ready; read`, p.m) // until the end
	end, err := inside.StdinPipe()
	must(t, err)
	said, err := inside.StdoutPipe()
	must(t, err)
	must(t, inside.Start())
	_, err = said.Read(make([]byte, 10))
	must(t, err)
	cmd := exec.Command("unshare", "-m", "bash", "-c", `cd "$0"; exec 5>>"$0/f"; echo ready; read; echo late >&5 && echo written; echo new >"$0/g" && echo created; exit 0`, p.m)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	buf := make([]byte, 100)
	_, err = out.Read(buf)
	must(t, err)
	must(t, p.mount.Stop())
	must(t, p.mount.Stop()) // again is nothing
	_, err = in.Write([]byte("\n"))
	must(t, err)
	n, _ := out.Read(buf)
	must(t, cmd.Wait())
	if n > 0 {
		t.Errorf("the copy of the mount still works: %s", buf[:n])
	}
	if b, err := os.ReadFile(p.a + "/f"); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	if names, err := os.ReadDir(p.m); err != nil || len(names) > 0 {
		t.Errorf("the mount point holds %v, %v", names, err)
	}
	again, err := Start(Options{Dir: p.m, Backing: p.a}, p.rec)
	must(t, err)
	must(t, again.Stop())
	end.Close()
	_ = inside.Wait()
}

// An application whose write is held is let go by Abort.
func TestAbortWhileHeld(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	f, err := os.Create(p.m + "/f")
	must(t, err)
	defer f.Close()
	hold, held := make(chan struct{}), make(chan struct{})
	p.rec.mu.Lock()
	p.rec.hold = func() { close(held); <-hold }
	p.rec.mu.Unlock()
	answer := make(chan error, 1)
	go func() {
		_, err := f.WriteString("held")
		answer <- err
	}()
	<-held
	must(t, p.mount.Abort())
	if err := <-answer; err == nil {
		t.Error("a held write was answered with success")
	}
	close(hold)
	must(t, p.mount.Stop()) // waits until it has ended here, too
}

// A write that fails here after it was recorded is repaired there.
func TestFullDisk(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	must(t, p.mount.Stop())
	must(t, unix.Mount("x", p.a, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(p.a, 0)) })
	p.mount = nil
	m, err := start(Options{Dir: p.m, Backing: p.a}, p.rec)
	must(t, err)
	p.mount = m
	t.Cleanup(func() { must(t, m.Stop()) })
	f, err := os.Create(p.m + "/f")
	must(t, err)
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i >> 9)
	}
	n, err := f.Write(data)
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%d bytes written, %v", n, err)
	}
	must(t, f.Close())
	p.settled()
	a, err := os.ReadFile(p.a + "/f")
	must(t, err)
	b, err := os.ReadFile(p.b + "/f")
	must(t, err)
	if len(a) == 0 || len(a) > 1<<20 || string(a) != string(b) {
		t.Errorf("%d bytes here, %d there", len(a), len(b))
	}
	if len(p.rec.diverged) > 0 {
		t.Error(p.rec.diverged)
	}
}

// mountable is what is looked at before backing is mounted on dir.
func mountable(dir, backing string) error {
	if err := checkPlaces(dir, backing); err != nil {
		return err
	}
	return checkBusy(backing)
}

// A container may have something else at a path, or the same.
func TestBusyInAnotherNamespace(t *testing.T) {
	dir := t.TempDir()
	for before, busy := range map[string]bool{`mount -t tmpfs x "$0"`: false, `true`: true} {
		inside, in := waiting(t, "unshare", "-m", "--propagation", "private", "bash", "-ec", before+`; cd "$0"; exec 5>"$0/f"; echo ready; read || true`, dir)
		if err := checkBusy(dir); (err != nil) != busy {
			t.Errorf("%s: %v", before, err)
		}
		must(t, in.Close())
		must(t, inside.Wait())
	}
}

// waiting starts a program, and answers when that has printed something. It ends when in is closed.
func waiting(t *testing.T, name string, args ...string) (cmd *exec.Cmd, in io.Closer) {
	t.Helper()
	cmd = exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = out.Read(make([]byte, 10))
	must(t, err)
	return cmd, in
}
