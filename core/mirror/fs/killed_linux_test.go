package fs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// TestServeUntilKilled is a daemon for TestKilledDaemon.
func TestServeUntilKilled(t *testing.T) {
	dir := os.Getenv("SERVE_UNTIL_KILLED")
	if dir == "" {
		t.Skip("is run by another test")
	}
	_, err := Start(Options{Dir: dir + "/m", Backing: dir + "/a"}, &recorder{session: 1, refuse: os.ErrInvalid})
	must(t, err)
	_, err = os.Stdout.WriteString("serving\n")
	must(t, err)
	select {}
}

// A daemon that is killed leaves a dead mount and a cover, here and in other mount
// namespaces, with processes in them; the next one begins as if nothing had been.
func TestKilledDaemon(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	dir += "/with a space"
	for _, d := range []string{dir, dir + "/a", dir + "/b", dir + "/m", dir + "/a/d"} {
		must(t, os.Mkdir(d, 0o755))
	}
	must(t, os.WriteFile(dir+"/a/f", []byte("kept"), 0o644))
	serve := func() *exec.Cmd {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run=^TestServeUntilKilled$", "-test.v")
		cmd.Env = append(os.Environ(), "SERVE_UNTIL_KILLED="+dir)
		var log bytes.Buffer
		cmd.Stderr = &log
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		for s := bufio.NewScanner(out); s.Scan(); {
			if s.Text() == "serving" {
				return cmd
			}
		}
		_ = cmd.Wait()
		t.Fatal(log.String())
		return nil
	}
	for range 2 { // one after the other
		daemon := serve()
		if _, err := Start(Options{Dir: dir + "/m", Backing: dir + "/a"}, &recorder{session: 1}); err == nil || !strings.Contains(err.Error(), "another daemon") {
			t.Errorf("beside one that runs: %v", err)
		}
		inside, in := waiting(t, "unshare", "-m", "--propagation", "private", "bash", "-c", `cd "$0/d"; exec 5<"$0/f"; echo ready; read`, dir+"/m")
		user, _ := waiting(t, "bash", "-c", `exec 5<"$0/f"; echo ready; read`, dir+"/m")
		if ended, err := EndUsers(dir + "/m"); err != nil || len(ended) > 0 {
			t.Errorf("where the mount is served, %v are ended, %v", ended, err)
		}
		must(t, daemon.Process.Kill())
		_ = daemon.Wait()
		if ended, err := EndUsers(dir + "/m"); err != nil || !slices.Equal(ended, []string{fmt.Sprintf("bash (%d)", user.Process.Pid)}) {
			t.Errorf("ended: %v, %v", ended, err)
		}
		_ = user.Wait()
		if err := answers(dir + "/m"); err != unix.ENOTCONN {
			t.Errorf("the mount of a killed daemon: %v", err)
		}
		t.Cleanup(func() {
			in.Close()
			_ = inside.Wait()
		})
	}
	p := &pair{t: t, a: dir + "/a", b: dir + "/b", m: dir + "/m", rec: &recorder{mode: stream.ModeFsync}}
	must(t, exec.Command("cp", "-a", p.a+"/.", p.b).Run())
	p.connect()
	p.mount, err = Start(Options{Dir: p.m, Backing: p.a}, p.rec)
	must(t, err)
	t.Cleanup(func() { must(t, p.mount.Stop()) })
	p.run(`test "$(cat f)" = kept; echo new >g; rm f; rmdir d`)
	must(t, p.mount.Stop())
	p.rec.sender.Close()
	<-p.ended
	p.copy.Close()
	table, err := mounts()
	must(t, err)
	for _, m := range table {
		if within(m.at, dir) {
			t.Errorf("%+v is left", m)
		}
	}
	if names, err := os.ReadDir(p.m); err != nil || len(names) > 0 {
		t.Errorf("the mount point holds %v, %v", names, err)
	}
	must(t, unix.Access(dir+"/a/g", unix.W_OK))
}

// A process that has the number of one that used a mount is left alone.
func TestWhoDoesNotUseTheMountLives(t *testing.T) {
	other, in := waiting(t, "bash", "-c", "echo ready; read")
	killed, err := mounted{id: "none", device: "0:99999"}.end(other.Process.Pid)
	if err != nil || killed {
		t.Errorf("killed: %v, %v", killed, err)
	}
	must(t, in.Close())
	if err := other.Wait(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("it ended by itself with %v", err) // of read at the end of its input
	}
}
