package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// newWatched is a pair whose alarms go to the channel, and a way past its mount.
func newWatched(t *testing.T) (p *pair, alarms chan Bypass, past string) {
	t.Helper()
	rules, err := exclude.New([]string{"own"}, nil)
	must(t, err)
	alarms = make(chan Bypass, 1000)
	p = newPairOf(t, Options{Rules: rules, Alarm: func(b Bypass) { alarms <- b }})
	other := t.TempDir()
	must(t, unix.Mount(filepath.Dir(p.a), other, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(other, unix.MNT_DETACH)) })
	return p, alarms, other + "/a"
}

func TestNobodyWritesPastTheMount(t *testing.T) {
	p := newPair(t, stream.ModeFsync)
	p.run(`echo 1 >f; mkdir d`)
	for what, err := range map[string]error{
		"write":  os.WriteFile(p.a+"/f", nil, 0o644),
		"create": os.WriteFile(p.a+"/d/g", nil, 0o644),
		"remove": os.Remove(p.a + "/f"),
		"rename": os.Rename(p.a+"/f", p.a+"/g"),
		"chmod":  os.Chmod(p.a+"/f", 0o600),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.same()
	must(t, p.mount.Stop())
	must(t, os.WriteFile(p.a+"/d/g", nil, 0o644))
}

func TestAlarm(t *testing.T) {
	p, alarms, past := newWatched(t)
	p.run(`echo 1 >f; echo 2 >h; echo 3 >i; mkdir -p d/e own; for i in $(seq 200); do echo $i >d/f$i; done; rm d/f9*; mv d/f1 d/g; touch -d @5 h`)
	p.same()
	must(t, os.WriteFile(filepath.Dir(past)+"/beside", nil, 0o644))
	for script, want := range map[string]string{
		`echo more >>"$0/f"`:       "f was written to",
		`echo new >"$0/d/e/new"`:   "d/e/new was created",
		`rm "$0/d/f2"`:             "d/f2 was removed",
		`mv "$0/d/f3" "$0/d/e/f3"`: "d/f3 was renamed",
		`chmod 600 "$0/h"`:         "h was given other attributes",
		`echo x >"$0/own/f"; setfattr -n user.a -v b "$0/i"`: "i was given other attributes",
	} {
		must(t, exec.Command("bash", "-ec", script, past).Run())
		timeout := time.After(10 * time.Second)
		for found := false; !found; {
			select {
			case b := <-alarms:
				s := b.String()
				if found = strings.HasPrefix(s, want); !found && !slices.Contains([]string{"d/e", "d/e/f3"}, b.Path) && b.Path != strings.Fields(want)[0] {
					t.Errorf("%s: %s", script, s)
				}
				if b.PID == os.Getpid() || b.PID == 0 {
					t.Errorf("by %d", b.PID)
				}
			case <-timeout:
				t.Fatalf("%s was not noticed", script)
			}
		}
	}
	// The mount shows what was done, and the peer is to get it.
	if s := p.run(`cat f d/e/new d/e/f3; stat -c %a h; ls d/f2 2>/dev/null || echo gone`); s != "1\nmore\nnew\n3\n600\ngone\n" {
		t.Errorf("the mount shows %q", s)
	}
	var st unix.Stat_t
	must(t, unix.Stat(p.a+"/f", &st))
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	if !slices.ContainsFunc(p.rec.diverged, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d:", st.Ino)) }) {
		t.Errorf("f (%d) is not to be copied: %v", st.Ino, p.rec.diverged)
	}
	p.rec.diverged = nil
}

func TestChangesWhileNothingIsMounted(t *testing.T) {
	p, alarms, _ := newWatched(t)
	p.run(`mkdir -p d/e own; echo 1 >f; echo 2 >d/g; echo 3 >d/e/h; ln -s f l; echo 4 >own/x; truncate -s 8192 m`)
	p.same()
	must(t, p.mount.Stop())
	seal := p.mount.Seal()
	changed := func() (names []string) {
		t.Helper()
		must(t, Changed(p.a, seal, p.rules, func(name string, _ uint64) { names = append(names, name) }))
		slices.Sort(names)
		return names
	}
	if c := changed(); len(c) > 0 {
		t.Errorf("after a stop: %q", c)
	}
	m, err := Start(Options{Dir: p.m, Backing: p.a, Since: &seal, Rules: p.rules}, p.rec)
	must(t, err)
	must(t, m.Stop())
	seal = m.Seal()
	if len(p.rec.diverged) > 0 {
		t.Errorf("%q", p.rec.diverged)
	}
	for script, want := range map[string]string{
		`echo x >>f`:               "f",
		`touch -d @1000000000 d/g`: "d/g",
		`chmod 600 d/e/h`:          "d/e/h",
		`echo y >own/x`:            "",
		`python3 -c 'import mmap; f=open("m","r+b"); m=mmap.mmap(f.fileno(),0); m[5000]=65; m.flush()'`: "m",
		`rm d/e/h; touch d/e/h`: "d/e d/e/h",
		`mv l k`:                " k",
	} {
		cmd := exec.Command("bash", "-ec", script)
		cmd.Dir = p.a
		must(t, cmd.Run())
		if got := strings.Join(changed(), " "); got != want {
			t.Errorf("%s: %q", script, got)
		}
		m, err := Start(Options{Dir: p.m, Backing: p.a, Since: &seal, Rules: p.rules, Alarm: func(b Bypass) { alarms <- b }}, p.rec)
		must(t, err)
		must(t, m.Stop())
		seal = m.Seal()
		if want != "" {
			if b := <-alarms; b.Path != strings.Split(want, " ")[0] {
				t.Errorf("alarm: %s", b)
			}
			for len(alarms) > 0 {
				<-alarms
			}
		}
	}
	must(t, os.Rename(p.a, p.a+".old"))
	must(t, exec.Command("cp", "-a", p.a+".old", p.a).Run())
	if err := Changed(p.a, seal, p.rules, func(string, uint64) {}); !errors.Is(err, ErrReplaced) {
		t.Errorf("another directory: %v", err)
	}
	p.rec.diverged = nil
}

// Without a descriptor to look where something was changed, the alarm says that it is blind.
func TestAlarmWithoutDescriptors(t *testing.T) {
	dir, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(dir)
	handle, _, err := unix.NameToHandleAt(dir, ".", 0)
	must(t, err)
	var told []bypass
	a := &alarm{dir: dir, tell: func(b bypass) { told = append(told, b) }}
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	at := a.place(handle)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if at.fd >= 0 || len(told) != 1 || !errors.Is(told[0].Blind, unix.EMFILE) {
		t.Errorf("the place is %v, told is %v", at, told)
	}
}
