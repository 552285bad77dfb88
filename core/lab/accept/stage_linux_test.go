package accept_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

const (
	vip     = lab.SuggestedVIP
	vip6    = lab.SuggestedVIP6
	patient = 30 * time.Second // for what a busy machine may delay
)

var everybody = []string{"n1", "n2", "n3"}

// stage is a lab with one farm module on it.
type stage struct {
	*lab.Lab
	name, root, module string
}

// labRoot is a folder for a lab's folders, which the lab takes away at its end.
func labRoot(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a lab needs root: it makes network namespaces and attaches packet filters")
	}
	// Not t.TempDir: the path of a unix socket must be short.
	root, err := os.MkdirTemp("", "acc")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// build makes a lab of three nodes; change alters its options. The test fails if
// anything of it is left at the end.
func build(t *testing.T, name, module string, change ...func(*lab.Options)) *stage {
	t.Helper()
	root := labRoot(t)
	s := &stage{name: name, root: root, module: module}
	o := lab.Options{
		Name: name, Nodes: len(everybody), Root: root, Program: program, HostPort: -1, ClientAddresses: 16,
		Args:      []string{"daemon", "--log-level", "debug"},
		CleanNode: func(home string) error { return os.RemoveAll(pins(home)) },
	}
	for _, one := range change {
		one(&o)
	}
	var err error
	if s.Lab, err = lab.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(t) })
	return s
}

// native has the nodes filter by XDP in the driver, as on a real network card, where a veth
// otherwise gets tcx.
func native(o *lab.Options) {
	o.Env = append(o.Env, "ORCHESTRATOR_FILTER_ATTACH=xdp-native")
	o.AttachPass = ebpf.AttachPass
}

// filtered says that all nodes filter by what was asked for.
func (s *stage) filtered(t *testing.T, how string) {
	t.Helper()
	for _, node := range everybody {
		if out := s.do(t, node, "filter", "show"); !strings.Contains(out, how) {
			t.Errorf("%s does not filter by %s:\n%s", node, how, out)
		}
	}
}

// pins is where a node's filter keeps its objects in the kernel.
func pins(home string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(home)))
	return "/sys/fs/bpf/orchestrator-" + hex.EncodeToString(sum[:])[:12]
}

// end closes the lab and looks for what it left behind.
func (s *stage) end(t *testing.T) {
	t.Helper()
	if t.Failed() || os.Getenv("ACCEPT_LOGS") != "" {
		s.keepLogs(t)
	}
	homes := map[string]string{}
	networks := []uint64{s.network(t, lab.Client)}
	for _, n := range s.Status().Nodes {
		homes[n.Name] = n.Home
		networks = append(networks, s.network(t, n.Name))
	}
	if err := s.Close(); err != nil {
		t.Errorf("close the lab: %v", err)
	}
	left, err := filepath.Glob("/run/netns/orch-" + s.name + "-*")
	if err != nil || len(left) > 0 {
		t.Errorf("namespaces are left: %v %v", left, err)
	}
	for _, home := range homes {
		if _, err := os.Stat(pins(home)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("BPF objects are left in %s: %v", pins(home), err)
		}
	}
	if pids := processes("", networks...); len(pids) > 0 {
		t.Errorf("processes are left: %v", pids)
	}
	if _, err := os.Stat(filepath.Join(s.root, s.name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lab's folder is left: %v", err)
	}
	if err := os.RemoveAll(s.root); err != nil {
		t.Errorf("remove the lab's root: %v", err)
	}
}

// keepLogs copies the daemons' logs to where ACCEPT_LOGS says, and shows their
// ends.
func (s *stage) keepLogs(t *testing.T) {
	t.Helper()
	for _, n := range s.Status().Nodes {
		text, err := os.ReadFile(n.Log)
		if err != nil {
			t.Logf("read the log of %s: %v", n.Name, err)
			continue
		}
		if dir := os.Getenv("ACCEPT_LOGS"); dir != "" {
			_ = os.WriteFile(filepath.Join(dir, s.name+"-"+n.Name+".log"), text, 0o600) // a help only
			story, _ := s.Orchestrate(context.Background(), n.Name, "log", "-n", "5000")
			state, _ := s.Orchestrate(context.Background(), n.Name, "status", "--json")
			story = append(story, state...)
			_ = os.WriteFile(filepath.Join(dir, s.name+"-"+n.Name+".journal"), story, 0o600)
		}
		t.Logf("end of the log of %s:\n%s", n.Name, text[max(0, len(text)-1500):])
	}
}

// network identifies the network namespace of a node or the client.
func (s *stage) network(t *testing.T, member string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat("/run/netns/orch-"+s.name+"-"+member, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// processes lists the processes in network namespaces whose command line
// contains a text, by rising number. Zombies have neither.
func processes(contains string, networks ...uint64) []int {
	var pids []int
	all, _ := proc.IDs() // /proc is there
	for _, pid := range all {
		line, err := proc.ReadFile(pid, "cmdline")
		if err != nil || pid == os.Getpid() {
			continue
		}
		var st syscall.Stat_t
		text := strings.ReplaceAll(string(line), "\x00", " ")
		if syscall.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &st) == nil && slices.Contains(networks, st.Ino) && strings.Contains(text, contains) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// processesOf lists those of a node.
func (s *stage) processesOf(t *testing.T, node, contains string) []int {
	t.Helper()
	return processes(contains, s.network(t, node))
}

// result is what a command of the program said.
type result struct {
	out, err string
	code     int
}

func (r result) text() string { return r.out + r.err }

// try runs the program on a node.
func (s *stage) try(t *testing.T, node string, args ...string) result {
	t.Helper()
	return s.call(t, node, "orchestrator", args...)
}

// call runs any program on a node.
func (s *stage) call(t *testing.T, node, program string, args ...string) result {
	t.Helper()
	var out, problem bytes.Buffer
	err := lab.Exec(t.Context(), s.root, s.name, node, append([]string{program}, args...), lab.Stdio{Out: &out, Err: &problem})
	r := result{out: out.String(), err: problem.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		t.Fatalf("%s %s on %s: %v", program, strings.Join(args, " "), node, err)
	}
	return r
}

// do runs the program on a node; it must succeed.
func (s *stage) do(t *testing.T, node string, args ...string) string {
	t.Helper()
	r := s.try(t, node, args...)
	if r.code != 0 {
		t.Fatalf("orchestrator %s on %s: exit code %d\n%s", strings.Join(args, " "), node, r.code, r.text())
	}
	return r.out
}

func ask[T any](t *testing.T, s *stage, node string, args ...string) T {
	t.Helper()
	var v T
	out := s.do(t, node, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("orchestrator %s: %v in %s", strings.Join(args, " "), err, out)
	}
	return v
}

// fault makes something happen in the lab.
func (s *stage) fault(t *testing.T, verb lab.Verb, all bool, nodes ...string) {
	t.Helper()
	if err := s.Do(t.Context(), lab.Fault{Verb: verb, Nodes: nodes, All: all}); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition; why tells what is missing.
func eventually(t *testing.T, what string, holds func() (why string)) {
	t.Helper()
	if why := within(t, patient, holds); why != "" {
		t.Fatalf("not within %s: %s: %s", patient, what, why)
	}
}

// within answers the empty text when the condition holds in time.
func within(t *testing.T, limit time.Duration, holds func() string) string {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		why := holds()
		if why == "" {
			return ""
		}
		select {
		case <-end.C:
			return why
		case <-tick.C:
		}
	}
}

// moduleNode is a module on a node as `status --json` tells it.
type moduleNode struct {
	Node, State, Phase, Reason string
	Share                      float64
	Drained                    bool
	Resources                  []struct{ Name, Value, Reason string }
}

// status is what a node says of a module on all nodes.
func (s *stage) status(t *testing.T, node, module string) map[string]moduleNode {
	t.Helper()
	type answer struct {
		Modules []struct {
			Name  string
			Nodes []moduleNode
		}
	}
	all := map[string]moduleNode{}
	for _, m := range ask[answer](t, s, node, "status").Modules {
		for _, n := range m.Nodes {
			if m.Name == module {
				all[n.Node] = n
			}
		}
	}
	return all
}

// whole waits until the module is up and shared on the nodes, and nowhere else.
func (s *stage) whole(t *testing.T, nodes ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is up and shared by %v", s.module, nodes), func() string {
		all := s.status(t, nodes[0], s.module)
		for name, n := range all {
			serves := n.State == "UP" && n.Phase == "Ready" && n.Share > 0.5/float64(len(nodes))
			if slices.Contains(nodes, name) != serves && (n.Share > 0 || slices.Contains(nodes, name)) {
				return fmt.Sprintf("%+v", all)
			}
		}
		if len(all) < len(nodes) {
			return fmt.Sprintf("%+v", all)
		}
		return ""
	})
}
