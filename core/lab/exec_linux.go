package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netns"
)

// Stdio is what a command in a lab is connected to; nil is the null device.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exec runs a command on a node of the named lab, on Client, Far or Router, and waits. It
// needs no help of the lab's owner. On a node ORCHESTRATOR_HOME is set, and
// `orchestrator` is the lab's program. A command that ran and failed is an
// *exec.ExitError, which has the exit code; end of ctx kills it.
func Exec(ctx context.Context, root, name, member string, argv []string, stdio Stdio) error {
	p, err := placeOf(root, name)
	if err != nil {
		return err
	}
	if len(argv) == 0 {
		return fmt.Errorf("run what on %s? give a command", member)
	}
	if nodeNumber(member) == 0 && !slices.Contains([]string{Client, Far, Router}, member) {
		return fmt.Errorf("no node %q: a lab has %s and nodes n1, n2, …", member, Client)
	}
	ns, err := netns.GetFromName(p.namespace(member))
	if err != nil {
		return fmt.Errorf("lab %s has no %s, or is not up: %w", p.name, member, err)
	}
	defer ns.Close()
	program := argv[0]
	if program == "orchestrator" {
		program = filepath.Join(p.bin(), program)
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Env = environment(p, member, nil)
	cmd.WaitDelay = 2 * time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio.In, stdio.Out, stdio.Err
	if err := inside(ns, cmd.Start); err != nil {
		return fmt.Errorf("start %s on %s: %w", argv[0], member, err)
	}
	return cmd.Wait()
}

// environment is the caller's, with what a lab's member needs instead of the
// host's.
func environment(p place, member string, extra []string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "ORCHESTRATOR_HOME=")
	})
	for i, v := range env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			env[i] = "PATH=" + p.bin() + string(os.PathListSeparator) + path
		}
	}
	env = append(env, "ORCHESTRATOR_LAB="+p.name)
	if nodeNumber(member) > 0 {
		env = append(env, p.environment(member)...)
	}
	return append(env, extra...)
}
