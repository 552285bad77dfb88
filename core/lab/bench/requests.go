package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// Both proxies have the defaults of their makers, and keep connections to the servers.
const (
	haproxyConfig = `global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen web
  bind :80
  balance roundrobin
  server n1 10.77.0.1:80
  server n2 10.77.0.2:80
  server n3 10.77.0.3:80
`
	proxyConfig = `worker_processes 1;
daemon off;
pid %[1]s/proxy.pid;
error_log %[1]s/proxy.log;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  upstream servers { server 10.77.0.1:80; server 10.77.0.2:80; server 10.77.0.3:80; keepalive 64; }
  server {
    listen 81 backlog=4096;
    location / { proxy_pass http://servers; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`
	requestSpan    = 4 * time.Second
	requestClients = 30
)

// offer is a way to the same three servers, or to one of them. Several addresses are
// asked side by side.
type offer struct {
	id, name string
	urls     []string
}

var offers = []offer{
	{"farm", "", []string{"http://" + lab.SuggestedVIP + "/"}},
	{"none", "no balancer, one nginx", []string{"http://10.77.0.1/"}},
	{"each", "each nginx asked by its own address", []string{"http://10.77.0.1/", "http://10.77.0.2/", "http://10.77.0.3/"}},
	{"haproxy", "HAProxy", []string{"http://10.77.0.254/"}},
	{"nginx", "nginx as proxy", []string{"http://10.77.0.254:81/"}},
}

// requests measures what a request costs the whole machine: client, network, servers
// and what is between.
func requests(ctx context.Context, b *bench) (err error) {
	wrk, err := which("wrk")
	if err != nil {
		b.add(Figure{ID: "requests", Name: "CPU of a request through the farm", Unit: "µs", Skipped: err.Error()})
		return nil
	}
	r, err := b.nginxFarm(ctx, 3, "--router")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	missing, end, err := r.startProxies(ctx)
	if err != nil {
		return err
	}
	defer end()
	for _, how := range []struct{ id, name, header string }{{"keep", "keep-alive", "X-Bench: 1"}, {"close", "a connection each", "Connection: close"}} {
		costs := map[string][]float64{}
		for range min(5, b.runs) {
			for _, o := range offers {
				if missing[o.id] != "" {
					continue
				}
				cost, err := r.requestCost(ctx, wrk, o.urls, how.header)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", o.id, how.name, err)
				}
				b.say("%s, %s: %s µs", o.id, how.name, short(cost))
				costs[o.id] = append(costs[o.id], cost)
			}
		}
		for _, o := range offers[1:] {
			f := Figure{ID: "requests." + how.id + "." + o.id, Unit: "µs", Values: costs["farm"],
				Name: fmt.Sprintf("CPU of a request through the farm, %s, beside %s", how.name, o.name)}
			switch o.id {
			case "none":
				f.Target = against(0.85)
			case "haproxy":
				f.Target = against(2)
			}
			if missing[o.id] == "" {
				f.Peer = &Peer{Name: o.name, Values: costs[o.id]}
			} else {
				f.Note = "Without the peer: " + missing[o.id] + "."
			}
			b.add(f)
		}
	}
	return nil
}

// startProxies runs HAProxy and nginx on the router, a machine of its own; missing says
// why one does not run, by the offer's id.
func (r *rig) startProxies(ctx context.Context) (missing map[string]string, end func(), err error) {
	dir, err := r.b.folder("proxies")
	if err != nil {
		return nil, nil, err
	}
	missing = map[string]string{}
	inner, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	end = func() { cancel(); all.Wait() }
	for id, one := range map[string]struct {
		config, port string
		argv         []string
	}{
		"haproxy": {haproxyConfig, "80", []string{"haproxy", "-db", "-f"}},
		"nginx":   {fmt.Sprintf(proxyConfig, dir), "81", []string{"nginx", "-e", filepath.Join(dir, "proxy.log"), "-c"}},
	} {
		program, err := which(one.argv[0])
		if err != nil {
			missing[id] = err.Error()
			continue
		}
		conf := filepath.Join(dir, id+".conf")
		if err := os.WriteFile(conf, []byte(one.config), 0o644); err != nil {
			end()
			return nil, nil, fmt.Errorf("configure %s: %w", id, err)
		}
		all.Go(func() { r.until(inner, lab.Router, append([]string{program}, append(one.argv[1:], conf)...)...) })
		err = r.await(ctx, 10*time.Second, id+" listens", func() bool {
			out, err := r.on(ctx, lab.Router, "ss", "-Hltn", "sport", "=", ":"+one.port)
			return err == nil && out != ""
		})
		if err != nil {
			end()
			return nil, nil, err
		}
	}
	return missing, end, nil
}

var wrkLine = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)

// requestCost is the machine's busy time for a request, in µs.
func (r *rig) requestCost(ctx context.Context, wrk string, urls []string, header string) (float64, error) {
	if err := rest(ctx, 500*time.Millisecond); err != nil {
		return 0, err
	}
	begun, err := busySeconds()
	if err != nil {
		return 0, err
	}
	counts, failed := make([]float64, len(urls)), make([]error, len(urls))
	var all sync.WaitGroup
	for i, url := range urls {
		all.Go(func() { counts[i], failed[i] = r.wrk(ctx, wrk, requestClients/len(urls), url, header) })
	}
	all.Wait()
	now, err := busySeconds()
	if err := errors.Join(append(failed, err)...); err != nil {
		return 0, err
	}
	count := 0.0
	for _, n := range counts {
		count += n
	}
	return 1e6 * (now - begun) / count, nil
}

// wrk asks one address, and answers how many requests were answered.
func (r *rig) wrk(ctx context.Context, program string, clients int, url, header string) (float64, error) {
	out, err := r.on(ctx, lab.Client, program, "-t1", "-c", strconv.Itoa(clients), "-d", requestSpan.String(), "-H", header, url)
	if err != nil {
		return 0, err
	}
	count := 0.0
	if m := wrkLine.FindStringSubmatch(out); m != nil {
		count, _ = strconv.ParseFloat(m[1], 64) // digits
	}
	// wrk counts what broke apart.
	if count == 0 || strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") {
		return 0, fmt.Errorf("not all was answered:\n%s", out)
	}
	return count, nil
}
