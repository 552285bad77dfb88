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
	dirs := map[string]string{}
	for _, node := range r.nodes {
		dir, err := r.b.folder(filepath.Join("gluster", node))
		if err != nil {
			return end, err
		}
		dirs[node] = dir
		all.Go(func() {
			r.until(inner, node, "unshare", "--mount", "--propagation", "private", "sh", "-ec", glusterServer, dir, program)
		})
	}
	gluster := func(argv ...string) (string, error) {
		pid, err := os.ReadFile(filepath.Join(dirs[r.nodes[0]], "pid"))
		if err != nil {
			return "", err
		}
		return r.on(ctx, r.nodes[0], append([]string{"nsenter", "--mount", "--target", strings.TrimSpace(string(pid)), "gluster", "--mode=script"}, argv...)...)
	}
	address := map[string]string{}
	for _, n := range r.status.Nodes {
		address[n.Name] = n.Address
	}
	first, second := r.nodes[0], r.nodes[1]
	var last error
	until := func(what string, ok func() bool) error {
		if err := r.await(ctx, time.Minute, what, ok); err != nil {
			return errors.Join(err, last)
		}
		return nil
	}
	if err := until("GlusterFS knows the other node", func() bool {
		var out string
		if out, last = gluster("peer", "status"); last == nil && !strings.Contains(out, "Connected") {
			_, last = gluster("peer", "probe", address[second])
			return false
		}
		return last == nil
	}); err != nil {
		return end, err
	}
	brick := func(node string) string { return address[node] + ":" + filepath.Join(dirs[node], "brick") }
	if _, err := gluster("volume", "create", "bench", "replica", "2", brick(first), brick(second), "force"); err != nil {
		return end, err
	}
	if _, err := gluster("volume", "start", "bench"); err != nil {
		return end, err
	}
	log := filepath.Join(dirs[first], "mount.log")
	if _, err := r.inside(ctx, first, "glusterfs", "--log-file="+log, "--volfile-server="+address[first], "--volfile-id=bench", "/srv/gluster"); err != nil {
		return end, err
	}
	// Until both bricks are reached, one of them gets nothing.
	return end, until("GlusterFS replicates", func() bool {
		probe := fmt.Sprint("probe", time.Now().UnixNano())
		if _, last = r.inside(ctx, first, "touch", "/srv/gluster/"+probe); last != nil {
			return false
		}
		for _, node := range r.nodes {
			if _, last = os.Stat(filepath.Join(dirs[node], "brick", probe)); last != nil {
				return false
			}
		}
		return true
	})
}
