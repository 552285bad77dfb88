package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nginxConfig is for one node: each answer tells the node in X-Node. The nodes
// of a lab share the machine's files, so each has a folder of its own.
const nginxConfig = `worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_rlimit_nofile 16384;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_requests 1000000;
  keepalive_timeout 600s;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen 80 backlog=4096;
    location / { add_header X-Node %[2]s; return 200 "%[2]s\n"; }
  }
}
`

// nginxWrapper runs nginx with the configuration of the node that it is on,
// which it knows by the node's address.
const nginxWrapper = `#!/bin/sh
for n in $(ip -4 -o address show dev eth0 | sed -n 's|.* inet 10\.77\.0\.\([0-9]*\)/.*|\1|p'); do
  if [ -d "%[1]s/n$n" ]; then exec %[2]s -e "%[1]s/n$n/error.log" -c "%[1]s/n$n/nginx.conf" "$@"; fi
done
echo "which node is this?" >&2
exit 1
`

// prepareNginx answers the path of the wrapper.
func (r *rig) prepareNginx() (string, error) {
	program, err := which("nginx")
	if err != nil {
		return "", err
	}
	dir, err := r.b.folder("nginx")
	if err != nil {
		return "", err
	}
	for _, name := range r.nodes {
		own := filepath.Join(dir, name)
		if err := os.MkdirAll(own, 0o777); err != nil {
			return "", fmt.Errorf("make the folder of nginx on %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(own, "nginx.conf"), fmt.Appendf(nil, nginxConfig, own, name), 0o644); err != nil {
			return "", fmt.Errorf("configure nginx on %s: %w", name, err)
		}
	}
	wrapper := filepath.Join(dir, "nginx")
	if err := os.WriteFile(wrapper, fmt.Appendf(nil, nginxWrapper, dir, program), 0o755); err != nil {
		return "", fmt.Errorf("write the start of nginx: %w", err)
	}
	return wrapper, nil
}

// which finds a program also where only root looks.
func which(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %s", name, name)
}

// nginxFarm is a farm of real web servers.
func (b *bench) nginxFarm(ctx context.Context, nodes int, more ...string) (*rig, error) {
	r, err := b.build(ctx, nodes, false, more...)
	if err != nil {
		return nil, err
	}
	wrapper, err := r.prepareNginx()
	if err == nil {
		err = r.install(ctx, "nginx_farm.safe", "PROGRAM="+wrapper)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", err, r.close())
	}
	return r, nil
}
