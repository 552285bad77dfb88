package process

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// kernelTells skips a test where the kernel tells this process of nothing: in a
// container's process namespace, or without the right to.
func kernelTells(t *testing.T) {
	t.Helper()
	f, err := openBirths()
	if err != nil {
		t.Skipf("no process connector here: %v", err)
	}
	_ = f.Close()
}

// The interval is an hour: only events can tell that a process starts, and then that it
// is one too many.
func TestBirthIsKnownAtOnce(t *testing.T) {
	kernelTells(t)
	name := fmt.Sprintf("born-%d", os.Getpid())
	c, err := sdktest.Connect(t, New()).Checker("process")
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan sdk.Result, 10)
	settings := json.RawMessage(fmt.Sprintf(`{"name":%q,"atmax":1,"poll":"1h"}`, name))
	go func() {
		_ = c.Stream(t.Context(), sdk.WatchOptions{Settings: settings, Interval: time.Hour}, func(r sdk.Result) { results <- r })
	}()
	expect := func(want sdk.Status, reason string) {
		t.Helper()
		select {
		case r := <-results:
			if r.Status != want || r.Reason != reason {
				t.Fatalf("got %+v, want %s %q", r, want, reason)
			}
		case <-time.After(60 * time.Second):
			t.Fatalf("nothing, want %s %q", want, reason)
		}
	}
	expect(sdk.StatusDown, "process "+name+" not running")
	began := time.Now()
	first := sleeper(t, name)
	expect(sdk.StatusUp, "")
	t.Logf("known after %v", time.Since(began))
	sleeper(t, name)
	expect(sdk.StatusDown, "process "+name+": 2 running, at most 1 wanted")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	expect(sdk.StatusUp, "")
}

// What the kernel says is read as it says it.
func TestBorn(t *testing.T) {
	kernelTells(t)
	f, err := openBirths()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the test is over
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := f.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for seen := 0; seen < 2; { // forked, and run
		n, err := f.Read(buffer)
		if err != nil {
			t.Fatalf("read: %v; of the process %d events were seen", err, seen)
		}
		if pid, ok := born(buffer[:n]); ok && pid == cmd.Process.Pid {
			seen++
		}
	}
}

// The kernel's answer is waited for so long and no longer; what it tells is heard at any
// time after.
func TestBirthsOutliveTheAnswer(t *testing.T) {
	t.Parallel()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	kernel, f := os.NewFile(uintptr(fds[0]), "kernel"), os.NewFile(uintptr(fds[1]), "process connector")
	defer kernel.Close() //nolint:errcheck // the test is over
	if _, err := kernel.Write(make([]byte, 80)); err != nil {
		t.Fatal(err)
	}
	if err := answered(f); err != nil {
		t.Fatal(err)
	}
	heard := make(chan proc, 1)
	b := births{open: func() (*os.File, error) { return f, nil }}
	cancel, err := b.subscribe(birthListener{call: func(p proc) { heard <- p }, missed: func() {}},
		func(pid int) (proc, bool) { return proc{name: fmt.Sprint(pid)}, true })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	<-time.After(answerWithin + 10*batch) // the time for the answer is over
	event := make([]byte, 80)
	binary.NativeEndian.PutUint32(event[nlmsgHeader+cnHeader:], eventExec)
	binary.NativeEndian.PutUint32(event[nlmsgHeader+cnHeader+eventHeader+4:], 7)
	if _, err := kernel.Write(event); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-heard:
		if p.name != "7" {
			t.Errorf("heard of process %s", p.name)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing is heard any more")
	}
}

func TestBornIgnores(t *testing.T) {
	for name, message := range map[string][]byte{"nothing": nil, "half a message": make([]byte, 50), "an answer": make([]byte, 80)} {
		if pid, ok := born(message); ok {
			t.Errorf("%s: process %d", name, pid)
		}
	}
}

// Where the kernel does not tell, the check goes on at its interval, and nobody is told
// of a listener that is gone.
func TestSubscribe(t *testing.T) {
	b := births{open: func() (*os.File, error) { return nil, errors.New("not here") }}
	if _, err := b.subscribe(birthListener{}, nil); err == nil || err.Error() != "not here" {
		t.Errorf("subscribe: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() //nolint:errcheck // the test is over
	b.open = func() (*os.File, error) { return r, nil }
	var heard []string
	listener := func(who string) birthListener {
		return birthListener{call: func(p proc) { heard = append(heard, who+" "+p.name) }, missed: func() { heard = append(heard, who+" missed") }}
	}
	look := func(pid int) (proc, bool) { return proc{name: fmt.Sprint(pid)}, pid != 8 }
	first, err := b.subscribe(listener("a"), look)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.subscribe(listener("b"), look)
	if err != nil {
		t.Fatal(err)
	}
	first()
	b.tell(map[int]bool{7: true, 8: true}, look)
	b.tell(map[int]bool{0: true}, look)
	if got := fmt.Sprint(heard); got != "[b 7 b missed]" {
		t.Errorf("heard %s", got)
	}
	second()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("nobody listens, and the file is still open: %v", err)
	}
}

// What it costs this process to hear of others: a shell starts programs one after the
// other, and nobody looks for them.
func BenchmarkBirths(b *testing.B) {
	s := &linux{}
	heard := 0
	cancel, err := s.births(func(proc) { heard++ }, func() {})
	if err != nil {
		b.Skipf("no process connector here: %v", err)
	}
	defer cancel()
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do /bin/true; i=$((i+1)); done", b.N))
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/process")
}
