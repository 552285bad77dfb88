package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// dialTime limits the way to the API of another node, on each of its addresses.
const dialTime = time.Second

// ways are connections to the APIs of other nodes, by name.
type ways struct {
	mu   sync.Mutex
	list map[string]*http.Transport
}

// to answers the way to a node, which dial opens, and makes it if need be.
func (w *ways) to(name string, make func() *http.Transport) *http.Transport {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list[name] == nil {
		if w.list == nil {
			w.list = map[string]*http.Transport{}
		}
		w.list[name] = make()
	}
	return w.list[name]
}

func (w *ways) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.list {
		t.CloseIdleConnections()
	}
	w.list = nil
	return nil
}

// Reach tells how the API of a node is asked.
func (d *Daemon) Reach(name string) (*url.URL, http.RoundTripper, error) {
	m := d.current()
	if m == nil {
		return nil, nil, errNoCluster
	}
	nodes, err := m.chosen([]string{name})
	if err != nil {
		return nil, nil, err
	}
	n := nodes[0]
	if n.Number == m.id.Node.Number {
		return nil, nil, nil
	}
	if !m.alive(n.Number) {
		return nil, nil, fmt.Errorf("%w: %s is not heard", control.ErrElsewhere, name)
	}
	way := m.ways.to(name, func() *http.Transport {
		return &http.Transport{
			TLSClientConfig: m.id.ClientTLS(name), ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return m.dialAPI(ctx, name) },
		}
	})
	return &url.URL{Scheme: "https", Host: name}, way, nil
}

// dialAPI connects to the API of a node by the first of its addresses that answers.
func (m *member) dialAPI(ctx context.Context, name string) (net.Conn, error) {
	conf := m.settings()
	n, ok := conf.NodeNamed(name)
	if !ok {
		return nil, fmt.Errorf("there is no node %q any more", name)
	}
	var all error
	for _, network := range conf.Networks {
		a, ok := n.Addresses[network.Name]
		if !ok {
			continue
		}
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", netip.AddrPortFrom(a, conf.Ports.API).String())
		if err == nil {
			return conn, nil
		}
		all = errors.Join(all, err)
	}
	return nil, all
}

// caller tells who asks over the network: a browser's session, another node of the
// cluster, which may read, or who has the admin token.
func (m *member) caller() control.Who {
	token := control.Bearer(m.adminToken)
	return m.d.sessions.Or(func(r *http.Request) (control.Caller, error) {
		if n, ok := m.peer(r); ok {
			return control.Caller{Name: "node " + n.Name, Role: control.Monitor}, nil
		}
		return token(r)
	})
}

// peer is the node of the cluster that sends a request.
func (m *member) peer(r *http.Request) (cluster.Node, bool) {
	if r.TLS == nil {
		return cluster.Node{}, false
	}
	number, err := m.id.PeerNode(*r.TLS)
	if err != nil {
		return cluster.Node{}, false
	}
	return m.settings().Node(number)
}
