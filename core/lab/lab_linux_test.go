package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

var labs atomic.Int64

// testOptions are for a lab with a name and a folder of its own.
func testOptions(t *testing.T, nodes int) Options {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	root, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := hostState(t)
	o := Options{Name: fmt.Sprintf("t%dx%d", os.Getpid(), labs.Add(1)), Nodes: nodes, Root: root, Program: program, Grace: time.Second}
	t.Cleanup(func() {
		if err := Down(context.Background(), root, o.Name, nil); err != nil {
			t.Errorf("down: %v", err)
		}
		if after := hostState(t); after != before {
			t.Errorf("the host's network changed:\n%s\nwas:\n%s", after, before)
		}
		if names, err := namespacesOf(o.place()); err != nil || len(names) > 0 {
			t.Errorf("namespaces left: %v %v", names, err)
		}
		if left := strays(t, root); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	return o
}

// hostState is what a lab must not change.
func hostState(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		fmt.Fprintln(&b, l.Index, l.Name, l.Flags)
	}
	for _, file := range []string{"/proc/self/net/route", "/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv6/conf/default/disable_ipv6"} {
		text, _ := os.ReadFile(file) // a host may lack IPv6
		b.Write(text)
	}
	return b.String()
}

// strays are the processes that have the lab's folder as their home.
func strays(t *testing.T, root string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err != nil || !bytes.Contains(text, []byte("ORCHESTRATOR_HOME="+root))
	})
}

func start(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// reaches says whether a member's HTTP request to a node is answered.
func reaches(t *testing.T, l *Lab, from, node string) bool {
	t.Helper()
	return reachesAddress(t, l, from, NodeAddress(nodeNumber(node)), "/")
}

// reached waits until a member's HTTP request to an address is answered: a busy machine may
// need more than one.
func reached(t *testing.T, l *Lab, from string, to netip.Addr, path string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s reaches %s%s", from, to, path), func() bool { return reachesAddress(t, l, from, to, path) })
}

// reachesAddress says whether a path of the server at an address is answered whole, at once.
func reachesAddress(t *testing.T, l *Lab, from string, to netip.Addr, path string) bool {
	t.Helper()
	report, err := load.Run(t.Context(), load.Config{
		Target: netip.AddrPortFrom(to, 80), Path: path, Rate: 4, Timeout: 800 * time.Millisecond,
		Duration: time.Millisecond, Namespace: filepath.Join(namespaces, l.place.namespace(from)),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.New.NotSent > 0 {
		t.Fatalf("%s could not try: %+v", from, report.New)
	}
	return report.New.OK > 0
}

// eventually waits for something that the kernel or a process does in its time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		if pause(ctx, 10*time.Millisecond) != nil {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func do(t *testing.T, l *Lab, f Fault) {
	t.Helper()
	if err := l.Do(t.Context(), f); err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
}

type closeCounter struct{ open *atomic.Int64 }

func (c closeCounter) Close() error { c.open.Add(-1); return nil }

func TestLab(t *testing.T) {
	o := testOptions(t, 3)
	var passes atomic.Int64
	var ports, cleaned []string
	o.AttachPass = func(index int) (io.Closer, error) {
		link, err := net.InterfaceByIndex(index) // in the switch's namespace
		if err != nil {
			return nil, err
		}
		ports = append(ports, link.Name)
		passes.Add(1)
		return closeCounter{&passes}, nil
	}
	o.CleanNode = func(home string) error { cleaned = append(cleaned, home); return nil }
	o.ClientAddresses = 16
	o.HostPort = 0
	l := start(t, o)
	if got := strings.Join(ports, " "); got != "client n1 n2 n3" {
		t.Errorf("pass programs on %q", got)
	}
	t.Run("status", func(t *testing.T) { testStatus(t, l) })
	t.Run("console", func(t *testing.T) { testConsole(t, l) })
	t.Run("exec", func(t *testing.T) { testExec(t, l) })
	t.Run("cable", func(t *testing.T) { testCable(t, l) })
	t.Run("partition", func(t *testing.T) { testPartition(t, l) })
	t.Run("kill", func(t *testing.T) { testKill(t, l) })
	t.Run("pause", func(t *testing.T) { testPause(t, l) })
	if _, err := Start(t.Context(), o); !errors.Is(err, errRunning) {
		t.Errorf("a second lab of the name: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-l.Done()
	if passes.Load() != 0 {
		t.Errorf("%d pass programs stay attached", passes.Load())
	}
	want := []string{o.place().home("n1"), o.place().home("n2"), o.place().home("n3")}
	if !slices.Equal(cleaned, want) {
		t.Errorf("cleaned %v", cleaned)
	}
	if err := l.Do(t.Context(), Fault{Verb: Heal}); !errors.Is(err, errNotRunning) {
		t.Errorf("a fault after the end: %v", err)
	}
}

func testStatus(t *testing.T, l *Lab) {
	s := l.Status()
	if s.Phase != Running || len(s.Nodes) != 3 || len(s.Client.Addresses) != 17 || s.Client.Addresses[16] != "10.77.0.216" || s.Client.Addresses6[16] != "fd77::216" {
		t.Fatalf("%+v", s)
	}
	for i, n := range s.Nodes {
		reached(t, l, Client, NodeAddress6(i+1), "/")
		reached(t, l, Client, NodeAddress(i+1), "/")
		if n.Name != nodeName(i+1) || n.Daemon != DaemonRunning || n.Link != "up" || n.PID == 0 {
			t.Errorf("%+v", n)
		}
	}
}

func testConsole(t *testing.T, l *Lab) {
	resp, err := http.Get("http://" + l.Status().Console)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "console of n1" {
		t.Errorf("%q %v", text, err)
	}
}

func testExec(t *testing.T, l *Lab) {
	var out bytes.Buffer
	err := Exec(t.Context(), l.opts.Root, l.opts.Name, "n2", []string{"sh", "-c", "cat; echo $ORCHESTRATOR_HOME; exit 3"},
		Stdio{In: strings.NewReader("hello\n"), Out: &out})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("exit code: %v", err)
	}
	if want := "hello\n" + l.place.home("n2") + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err := Exec(t.Context(), l.opts.Root, l.opts.Name, "n9", []string{"true"}, Stdio{}); err == nil {
		t.Error("a command on a node that is not there")
	}
	if out, err := l.Orchestrate(t.Context(), "n1", "nonsense"); err == nil || !strings.Contains(err.Error(), "unknown command: nonsense") {
		t.Errorf("%q %v", out, err)
	}
}

// testCable cuts the only server's cable and heals it, and expects the client to
// measure that.
func testCable(t *testing.T, l *Lab) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begun, cut, healed, again time.Time
	phase := 0
	var mark int64
	report, err := load.Run(ctx, load.Config{
		Target: netip.AddrPortFrom(NodeAddress(1), 80), Rate: 200, Every: 20 * time.Millisecond, Connections: 5,
		Interval: 50 * time.Millisecond, Patience: 30 * time.Second, Namespace: l.ClientNamespace(), Separator: 20,
	}, func(r load.Report) {
		switch {
		case phase == 0 && r.New.OK >= 40 && r.Connections.Kept == 5:
			begun, phase = time.Now(), 1
			do(t, l, Fault{Verb: Cut, Nodes: []string{"n1"}})
			cut = time.Now()
		case phase == 1 && r.New.Failed >= 60:
			healed, phase, mark = time.Now(), 2, r.New.OK
			do(t, l, Fault{Verb: Heal, Nodes: []string{"n1"}})
		case phase == 2 && r.New.OK > mark:
			again, phase = time.Now(), 3
		case phase == 3 && r.New.OK > mark+100:
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	least, most := float64(healed.Sub(cut).Milliseconds()), float64(again.Sub(begun).Milliseconds())
	sum, _ := report.OutageMS(0, report.ElapsedMS)
	// An attempt in flight at either end blurs it.
	if sum < least-300 || sum > most+1000 || sum < 250 {
		t.Errorf("cut for %v to %v ms, measured %v ms: %+v", least, most, sum, report.New.Outages)
	}
	if c := report.Connections; c.Broken != 0 || c.Kept != 5 {
		t.Errorf("TCP outlives a short cut, but: %+v", c)
	}
}

func testPartition(t *testing.T, l *Lab) {
	fault, err := ParsePartition("n1,client|n2,n3")
	if err != nil {
		t.Fatal(err)
	}
	do(t, l, fault)
	for pair, want := range map[[2]string]bool{{"n1", "n2"}: false, {"n2", "n3"}: true, {Client, "n1"}: true, {Client, "n3"}: false, {"n3", "n1"}: false} {
		if want {
			reached(t, l, pair[0], NodeAddress(nodeNumber(pair[1])), "/")
		} else if reaches(t, l, pair[0], pair[1]) {
			t.Errorf("%s reaches %s", pair[0], pair[1])
		}
	}
	if s := l.Status(); s.Nodes[1].Group != 1 || s.Nodes[0].Group != 0 || s.Client.Group != 0 {
		t.Errorf("%+v", s)
	}
	do(t, l, Fault{Verb: Heal})
	eventually(t, "n1 reaches n2 again", func() bool { return reaches(t, l, "n1", "n2") })
}

func testKill(t *testing.T, l *Lab) {
	app := make(chan error, 1)
	go func() {
		app <- Exec(t.Context(), l.opts.Root, l.opts.Name, "n2", []string{"sleep", "1000"}, Stdio{})
	}()
	path := filepath.Join(namespaces, l.place.namespace("n2"))
	inNode := func() int {
		pids, err := processesIn(path)
		if err != nil {
			t.Fatal(err)
		}
		return len(pids)
	}
	eventually(t, "daemon and application run", func() bool { return inNode() == 2 })
	do(t, l, Fault{Verb: Kill, Nodes: []string{"n2"}})
	if s := l.Status().Nodes[1]; s.Daemon != DaemonExited || s.Exit != "signal: killed" || inNode() != 1 {
		t.Errorf("%+v, %d processes", s, inNode())
	}
	if err := l.Do(t.Context(), Fault{Verb: Kill, Nodes: []string{"n2"}}); !errors.Is(err, errNotRunning) {
		t.Errorf("killed twice: %v", err)
	}
	do(t, l, Fault{Verb: Heal, Nodes: []string{"n2"}})
	reached(t, l, Client, NodeAddress(2), "/")
	do(t, l, Fault{Verb: Kill, Nodes: []string{"n2"}, All: true})
	if err := <-app; err == nil {
		t.Error("the application outlived kill of all")
	}
	eventually(t, "nobody is left", func() bool { return inNode() == 0 })
	do(t, l, Fault{Verb: Heal})
}

func testPause(t *testing.T, l *Lab) {
	do(t, l, Fault{Verb: Pause, Nodes: []string{"n3"}})
	eventually(t, "n3 is paused", func() bool { return l.Status().Nodes[2].Daemon == DaemonPaused })
	do(t, l, Fault{Verb: Resume, Nodes: []string{"n3"}})
	eventually(t, "n3 runs", func() bool { return l.Status().Nodes[2].Daemon == DaemonRunning })
	do(t, l, Fault{Verb: Stop, Nodes: []string{"n3"}})
	eventually(t, "n3 ends", func() bool { return l.Status().Nodes[2].Daemon == DaemonExited })
	do(t, l, Fault{Verb: Pause, Nodes: []string{"n1", "n2"}, All: true}) // Close must end them as well
}

func TestFailedStartLeavesNothingAndSaysWhy(t *testing.T) {
	o := testOptions(t, 2)
	o.Args = []string{"broken"}
	_, err := Start(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "the configuration is broken") {
		t.Errorf("got %v", err)
	}
	if leftovers(o.place()) {
		t.Error("something is left")
	}
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	o := testOptions(t, 2)
	o.Args = []string{"mute"}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(step string) {
		if strings.HasPrefix(step, "starting") {
			cancel()
		}
	}
	if _, err := Start(ctx, o); err == nil {
		t.Errorf("got %v", err)
	}
	if leftovers(o.place()) {
		t.Error("something is left")
	}
}

func TestUpAndDown(t *testing.T) {
	o := testOptions(t, 2)
	var steps []string
	o.Progress = func(s string) { steps = append(steps, s) }
	status, err := Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if status.Owner == os.Getpid() || len(status.Nodes) != 2 || !slices.Contains(steps, "joining n2") {
		t.Errorf("%+v, steps %q", status, steps)
	}
	if names, err := Labs(o.Root); err != nil || !slices.Equal(names, []string{o.Name}) {
		t.Errorf("labs %v %v", names, err)
	}
	if _, err := Up(t.Context(), o); !errors.Is(err, errRunning) {
		t.Errorf("up twice: %v", err)
	}
	remote, err := Connect(o.Root, o.Name)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := remote.Do(t.Context(), Fault{Verb: Kill, Nodes: []string{"n1"}}); err != nil || s.Nodes[0].Daemon != DaemonExited {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := remote.Do(t.Context(), Fault{Verb: Kill, Nodes: []string{"n7"}}); err == nil || !strings.Contains(err.Error(), "n1 to n2") {
		t.Errorf("a fault on a node that is not there: %v", err)
	}
	for range 2 {
		if err := Down(t.Context(), o.Root, o.Name, nil); err != nil {
			t.Fatal(err)
		}
		if leftovers(o.place()) {
			t.Error("something is left")
		}
	}
	if _, err := remote.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("status after down: %v", err)
	}
}

func TestUpTellsWhyItFailed(t *testing.T) {
	o := testOptions(t, 1)
	o.Args = []string{"broken"}
	if _, err := Up(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the configuration is broken") {
		t.Errorf("got %v", err)
	}
	if leftovers(o.place()) {
		t.Error("something is left")
	}
}

func TestInterruptedUpLeavesNothing(t *testing.T) {
	o := testOptions(t, 2)
	o.Args = []string{"mute"}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(step string) {
		if strings.HasPrefix(step, "starting") {
			cancel()
		}
	}
	if _, err := Up(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if leftovers(o.place()) {
		t.Error("something is left")
	}
}

func TestDownAfterTheOwnerWasKilled(t *testing.T) {
	o := testOptions(t, 2)
	status, err := Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(status.Owner, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owner is dead", func() bool { return syscall.Kill(status.Owner, 0) != nil })
	if left := strays(t, o.Root); len(left) != 2 {
		t.Errorf("daemons that outlived the owner: %v, want 2", left)
	}
	var cleaned []string
	if err := Down(t.Context(), o.Root, o.Name, func(home string) error { cleaned = append(cleaned, home); return nil }); err != nil {
		t.Fatal(err)
	}
	if leftovers(o.place()) || len(cleaned) != 2 {
		t.Errorf("left: %v, cleaned %v", leftovers(o.place()), cleaned)
	}
}
