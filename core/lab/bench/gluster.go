package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// glusterServer runs glusterd with folders of its own below $0, and tells its process.
const glusterServer = `for d in lib log run brick; do mkdir -p "$0/$d"; done
mount --bind "$0/lib" /var/lib/glusterd
mount --bind "$0/log" /var/log/glusterfs
mount --bind "$0/run" /run
echo $$ >"$0/pid"
exec "$1" --no-daemon
`

// gluster is GlusterFS on the nodes of a rig, each with folders of its own.
type gluster struct {
	*rig
	dirs map[string]string // by node
	last error             // of what is tried again and again
}

// startGluster makes a volume of GlusterFS with two replicas, with Debian's defaults, and
// mounts it on the primary at /srv/gluster.
func (r *rig) startGluster(ctx context.Context) (end func(), err error) {
	inner, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	end = func() { cancel(); all.Wait() }
	program, err := which("glusterd")
	if err != nil {
		return end, errors.New("GlusterFS is not installed: apt-get install glusterfs-server")
	}
	g := &gluster{rig: r, dirs: map[string]string{}}
	for _, node := range r.nodes {
		dir, err := r.b.folder(filepath.Join("gluster", node))
		if err != nil {
			return end, err
		}
		g.dirs[node] = dir
		all.Go(func() {
			r.until(inner, node, "unshare", "--mount", "--propagation", "private", "sh", "-ec", glusterServer, dir, program)
		})
	}
	return end, g.mirror(ctx)
}

// mirror makes the volume and waits until it replicates.
func (g *gluster) mirror(ctx context.Context) error {
	address := map[string]string{}
	for _, n := range g.status.Nodes {
		address[n.Name] = n.Address
	}
	first, second := g.nodes[0], g.nodes[1]
	if err := g.await(ctx, "GlusterFS knows the other node", func() bool {
		var out string
		if out, g.last = g.command(ctx, "peer", "status"); g.last == nil && !strings.Contains(out, "Connected") {
			_, g.last = g.command(ctx, "peer", "probe", address[second])
			return false
		}
		return g.last == nil
	}); err != nil {
		return err
	}
	brick := func(node string) string { return address[node] + ":" + filepath.Join(g.dirs[node], "brick") }
	if _, err := g.command(ctx, "volume", "create", "bench", "replica", "2", brick(first), brick(second), "force"); err != nil {
		return err
	}
	if _, err := g.command(ctx, "volume", "start", "bench"); err != nil {
		return err
	}
	log := filepath.Join(g.dirs[first], "mount.log")
	if _, err := g.inside(ctx, first, "glusterfs", "--log-file="+log, "--volfile-server="+address[first], "--volfile-id=bench", "/srv/gluster"); err != nil {
		return err
	}
	return g.await(ctx, "GlusterFS replicates", func() bool { return g.replicates(ctx) })
}

// replicates says whether a new file comes to all bricks: until they are reached, one of
// them gets nothing.
func (g *gluster) replicates(ctx context.Context) bool {
	probe := fmt.Sprint("probe", time.Now().UnixNano())
	if _, g.last = g.inside(ctx, g.nodes[0], "touch", "/srv/gluster/"+probe); g.last != nil {
		return false
	}
	for _, node := range g.nodes {
		if _, g.last = os.Stat(filepath.Join(g.dirs[node], "brick", probe)); g.last != nil {
			return false
		}
	}
	return true
}

// command gives the first node's glusterd a command.
func (g *gluster) command(ctx context.Context, argv ...string) (string, error) {
	pid, err := os.ReadFile(filepath.Join(g.dirs[g.nodes[0]], "pid"))
	if err != nil {
		return "", err
	}
	return g.on(ctx, g.nodes[0], append([]string{"nsenter", "--mount", "--target", strings.TrimSpace(string(pid)), "gluster", "--mode=script"}, argv...)...)
}

// await waits for a minute, and tells what was wrong last.
func (g *gluster) await(ctx context.Context, what string, ok func() bool) error {
	if err := g.rig.await(ctx, time.Minute, what, ok); err != nil {
		return errors.Join(err, g.last)
	}
	return nil
}
