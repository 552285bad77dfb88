package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// labName is short: a lab's folder holds unix sockets.
const labName = "bench"

// rig is a lab that the program built, and ways to its nodes.
type rig struct {
	b       *bench
	nodes   []string
	remote  *lab.Remote
	status  lab.Status
	clients map[string]*control.Client
	// restarted says when a move restarted each node's application.
	restarted map[string]period
}

// build builds a lab, with more flags of lab up. bare: without a cluster, and with no
// daemon.
func (b *bench) build(ctx context.Context, nodes int, bare bool, more ...string) (*rig, error) {
	b.say("building a lab of %d nodes", nodes)
	args := []string{"lab", "up", "--name", labName, "--root", b.root, "--nodes", strconv.Itoa(nodes), "--port", "-1"}
	args = append(args, more...)
	if bare {
		args = append(args, "--no-cluster")
	}
	if err := b.orchestrator(ctx, args...); err != nil {
		return nil, err
	}
	r, err := b.connect(ctx)
	if err == nil && bare {
		if err = r.fault(ctx, lab.Fault{Verb: lab.Kill, Nodes: r.nodes}); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, err
}

// connect finds the lab that was built; where it cannot, the lab is removed.
func (b *bench) connect(ctx context.Context) (*rig, error) {
	r := &rig{b: b, clients: map[string]*control.Client{}}
	var err error
	if r.remote, err = lab.Connect(b.root, labName); err == nil {
		r.status, err = r.remote.Status(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	for _, n := range r.status.Nodes {
		r.nodes = append(r.nodes, n.Name)
		r.clients[n.Name] = control.NewClient(filepath.Join(n.Home, "orchestrator.sock"))
	}
	return r, nil
}

// close removes the lab, also after an interruption.
func (r *rig) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.b.orchestrator(ctx, "lab", "down", "--name", labName, "--root", r.b.root)
}

// orchestrator runs the program on the host.
func (b *bench) orchestrator(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, b.program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// on runs a command on a node or the client and answers its standard output.
func (r *rig) on(ctx context.Context, member string, argv ...string) (string, error) {
	var out, problem bytes.Buffer
	err := lab.Exec(ctx, r.b.root, labName, member, argv, lab.Stdio{Out: &out, Err: &problem})
	if err != nil {
		return "", fmt.Errorf("%s on %s: %w: %s", strings.Join(argv, " "), member, err, strings.TrimSpace(problem.String()+out.String()))
	}
	return out.String(), nil
}

func (r *rig) fault(ctx context.Context, f lab.Fault) error {
	_, err := r.remote.Do(ctx, f)
	return err
}

// install installs a module on all nodes and starts it.
func (r *rig) install(ctx context.Context, archive string, set ...string) error {
	args := []string{"orchestrator", "module", "install", archive, "--set", "VIRTUAL_IP=" + lab.SuggestedVIP}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	if _, err := r.on(ctx, r.nodes[0], args...); err != nil {
		return err
	}
	module := strings.TrimSuffix(filepath.Base(archive), ".safe")
	if _, err := r.on(ctx, r.nodes[0], "orchestrator", "start", module); err != nil {
		return err
	}
	return r.await(ctx, time.Minute, module+" is up with its share on all nodes", func() bool {
		states := r.states(ctx, r.nodes[0], module)
		for _, name := range r.nodes {
			if n := states[name]; !isUp(n) || n.Share == 0 {
				return false
			}
		}
		return true
	})
}

// pair says who is primary and who is secondary of a mirror; empty: nobody is, or is ready.
func (r *rig) pair(ctx context.Context, module string) (prim, second string) {
	for _, ask := range r.nodes {
		for name, n := range r.states(ctx, ask, module) {
			switch {
			case n.Phase == core.Ready && (n.State == core.Prim || n.State == core.Alone):
				prim = name
			case n.Phase == core.Ready && n.State == core.Second:
				second = name
			}
		}
		if prim != "" {
			return prim, second
		}
	}
	return prim, second
}

// paired waits until a mirror has both.
func (r *rig) paired(ctx context.Context, module string) error {
	return r.await(ctx, 2*time.Minute, "the mirror is whole", func() bool {
		prim, second := r.pair(ctx, module)
		return prim != "" && second != ""
	})
}

// alone waits until a mirror's primary goes on without the other.
func (r *rig) alone(ctx context.Context, module, prim string) error {
	return r.await(ctx, time.Minute, prim+" is alone", func() bool { return r.states(ctx, prim, module)[prim].State == core.Alone })
}

func isUp(n control.ModuleNode) bool { return n.State == core.Up && n.Phase == core.Ready }

// states asks a node for a module on all nodes; nil when it does not answer.
func (r *rig) states(ctx context.Context, ask, module string) map[string]control.ModuleNode {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var status control.Status
	if err := r.clients[ask].Get(ctx, "/v1/status?module="+url.QueryEscape(module), &status); err != nil {
		return nil
	}
	states := map[string]control.ModuleNode{}
	for _, m := range status.Modules {
		for _, n := range m.Nodes {
			states[n.Node] = n
		}
	}
	return states
}

// await returns when a condition holds.
func (r *rig) await(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s: %s", limit, what))
	defer cancel()
	for !ok() {
		if rest(ctx, 20*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// rest waits, but not longer than ctx.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// load is what clients ask of the virtual address, from all of their addresses.
func (r *rig) load(rate, connections int) load.Config {
	c := load.Config{
		Target: netip.AddrPortFrom(netip.MustParseAddr(lab.SuggestedVIP), 80),
		Rate:   rate, Connections: connections, Interval: time.Second, Every: 100 * time.Millisecond,
		Namespace: lab.ClientNamespace(labName),
	}
	for _, a := range r.status.Client.Addresses {
		c.Sources = append(c.Sources, netip.MustParseAddr(a))
	}
	return c
}

// folder makes a folder for a benchmark's files.
func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.root, "files", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return dir, nil
}

// moduleFolder makes a module as a folder with its files.
func (b *bench) moduleFolder(module string, files map[string]string) (string, error) {
	dir, err := b.folder(module)
	if err != nil {
		return "", err
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return "", fmt.Errorf("write a module: %w", err)
		}
	}
	return dir, nil
}
