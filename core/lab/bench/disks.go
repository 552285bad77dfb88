package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// bind is a folder of a node's disk, and the path at which the node sees it.
type bind struct{ folder, path string }

// buildDisked builds a lab of two nodes that see folders of their own: each a copy of a
// template's, bound to its path.
func (b *bench) buildDisked(ctx context.Context, template string, binds ...bind) (*rig, error) {
	dir, err := b.folder("disked")
	if err != nil {
		return nil, err
	}
	var mounts []string
	for _, one := range binds {
		mounts = append(mounts, fmt.Sprintf(`mount --bind "$disk/%s" %s`, one.folder, one.path))
	}
	wrapper := filepath.Join(dir, "orchestrator")
	if err := lab.WriteDiskProgram(wrapper, b.program, fmt.Sprintf(`cp -a %s "$disk"`, template), strings.Join(mounts, "\n")); err != nil {
		return nil, err
	}
	b.say("building a lab of 2 nodes with disks of their own")
	if _, err := lab.Up(ctx, lab.Options{Name: labName, Root: b.root, Nodes: 2, Program: wrapper, HostPort: -1, Offloads: true}); err != nil {
		return nil, err
	}
	return b.connect(ctx)
}

// inside runs a command on a node, with the folders that its daemon sees.
func (r *rig) inside(ctx context.Context, node string, argv ...string) (string, error) {
	status, err := r.remote.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, n := range status.Nodes {
		if n.Name == node && n.PID != 0 {
			return r.on(ctx, node, append([]string{"nsenter", "--mount", "--target", strconv.Itoa(n.PID)}, argv...)...)
		}
	}
	return "", fmt.Errorf("no daemon runs on %s", node)
}

// disk is a path of a node's disk on the host.
func (r *rig) disk(node, path string) string {
	for _, n := range r.status.Nodes {
		if n.Name == node {
			return filepath.Join(n.Home, "disk", path)
		}
	}
	return ""
}

// mirror installs a module whose folder is replicated, with the copy of the first node.
func (r *rig) mirror(ctx context.Context, archive string, set ...string) error {
	module := strings.TrimSuffix(filepath.Base(archive), ".safe")
	install := []string{"orchestrator", "module", "install", archive}
	for _, s := range set {
		install = append(install, "--set", s)
	}
	for _, argv := range [][]string{
		install,
		{"orchestrator", "prim", module, "--node", r.nodes[0]},
		{"orchestrator", "start", module, "--node", r.nodes[1]},
	} {
		if _, err := r.on(ctx, r.nodes[0], argv...); err != nil {
			return err
		}
	}
	return r.paired(ctx, module)
}

// mirrored builds such a lab with a module in it.
func (b *bench) mirrored(ctx context.Context, template string, binds []bind, archive string, set ...string) (*rig, error) {
	r, err := b.buildDisked(ctx, template, binds...)
	if err != nil {
		return nil, err
	}
	if err := r.mirror(ctx, archive, set...); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}
