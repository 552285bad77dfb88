package accept_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// Each node has its own configuration, because a lab's nodes share the
// machine's files.
const nginxConf = `user root;
worker_processes 1;
pid %[1]s/%[2]s.pid;
error_log %[1]s/%[2]s.log;
worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path %[1]s/%[2]s.body;
  proxy_temp_path %[1]s/%[2]s.proxy;
  fastcgi_temp_path %[1]s/%[2]s.fastcgi;
  uwsgi_temp_path %[1]s/%[2]s.uwsgi;
  scgi_temp_path %[1]s/%[2]s.scgi;
  keepalive_timeout 600s;
  keepalive_requests 1000000;
  server {
    listen 80 backlog=4096;
    location / {
      add_header X-Node %[2]s;
      return 200 "%[2]s\n";
    }
  }
}
`

// nginxScript stands for nginx and finds the node's configuration by its
// address in the lab.
const nginxScript = `#!/bin/sh
n=$(ip -4 -o addr show dev eth0 | sed -n 's/.* 10\.77\.0\.\([1-9]\)\/.*/\1/p' | head -n 1)
exec %[2]s -c %[1]s/n$n.conf "$@"
`

// nginxFarm is a lab with the shipped nginx_farm and the system's nginx.
func nginxFarm(t *testing.T, name string, change ...func(*lab.Options)) *stage {
	t.Helper()
	s := build(t, name, "nginx_farm", change...)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(nginx); err != nil {
		t.Fatalf("nginx is needed: apt-get install nginx-light (make test does): %v", err)
	}
	files := map[string]string{"nginx.sh": fmt.Sprintf(nginxScript, s.root, nginx)}
	for _, node := range everybody {
		files[node+".conf"] = fmt.Sprintf(nginxConf, s.root, node)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(s.root, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.install(t, "--set", "PROGRAM="+filepath.Join(s.root, "nginx.sh"))
	return s
}

// webFarm is a lab with the shipped web_farm.
func webFarm(t *testing.T, name string) *stage {
	t.Helper()
	s := build(t, name, "web_farm")
	s.install(t)
	return s
}

// install installs the stage's module and starts it at once, as a script would.
func (s *stage) install(t *testing.T, set ...string) {
	t.Helper()
	s.do(t, "n1", append([]string{"module", "install", s.module + ".safe", "--set", "VIRTUAL_IP=" + vip}, set...)...)
	if r := s.try(t, "n1", "start", s.module); r.code != 0 {
		t.Errorf("start right after install: exit code %d\n%s", r.code, r.text())
		eventually(t, "the module can be started", func() string {
			if r := s.try(t, "n1", "start", s.module); r.code != 0 {
				return r.text()
			}
			return ""
		})
	}
	s.whole(t, everybody...)
}
