package process

import (
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
	if err := f.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	var cmd *exec.Cmd
	for seen := 0; seen < 2; { // forked, and run
		if cmd == nil {
			cmd = exec.Command("true")
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
		}
		n, err := f.Read(buffer)
		if errors.Is(err, unix.ENOBUFS) { // others started more than the socket holds
			seen, cmd = 0, nil
			continue
		}
		if err != nil {
			t.Fatalf("read: %v; of the process %d events were seen", err, seen)
		}
		if pid, ok := born(buffer[:n]); ok && pid == cmd.Process.Pid {
			seen++
		}
	}
}

// The time for the kernel's answer is not the time for its news.
func TestNewsHaveNoDeadline(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // the test is over
	defer w.Close() //nolint:errcheck // the test is over
	if _, err := w.Write(make([]byte, nlmsgHeader+cnHeader+eventHeader+4)); err != nil {
		t.Fatal(err)
	}
	const within = 500 * time.Millisecond
	if err := answered(r, within); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*within, func() { _, _ = w.Write([]byte("news")) })
	if n, err := r.Read(make([]byte, 100)); n != 4 || err != nil {
		t.Errorf("read %d bytes: %v", n, err)
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
