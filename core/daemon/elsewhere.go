package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
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

// Invite makes a link to the console of this node that is good for one login.
func (d *Daemon) Invite(_ context.Context, by string, r control.InviteRequest) (control.Invitation, error) {
	m := d.current()
	if m == nil {
		return control.Invitation{}, errNoCluster
	}
	user := strings.TrimSpace(r.User)
	if user == "" {
		user = r.Role.String()
	}
	if len(user) > maxUser || strings.ContainsFunc(user, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return control.Invitation{}, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("a user has a name of at most %d characters, without control characters", maxUser)}
	}
	conf := m.settings()
	me, _ := conf.Node(m.id.Node.Number)
	i := control.Invitation{User: user, Role: r.Role, Certificate: m.id.CertificateFingerprint().String()}
	i.Token, i.Expires = d.sessions.Invite(user, r.Role)
	host := net.JoinHostPort(primary(conf, me).String(), strconv.Itoa(int(conf.Ports.API)))
	i.URL = "https://" + host + "/#" + i.Token // what stands behind # reaches no log of a server
	d.note("command", "info", fmt.Sprintf("%s invites %s into the console, with the role %s.", by, user, r.Role), map[string]any{"by": by}, 0)
	return i, nil
}

// maxUser is the longest name of a user of the console, in bytes.
const maxUser = 64

// Entered takes note of a login to the console.
func (d *Daemon) Entered(c control.Caller) {
	d.note("command", "info", fmt.Sprintf("%s logs in to the console, with the role %s.", c.Name, c.Role), map[string]any{"by": c.Name}, 0)
}

// Refused takes note of logins to the console that failed.
func (d *Daemon) Refused(from string, times int) {
	d.note("command", "warn", fmt.Sprintf("Logins to the console were refused: %d, the last from %s.", times, from), map[string]any{"from": from, "times": times}, 0)
}

// Carried takes note of what somebody asked for, and what became of it.
func (d *Daemon) Carried(c control.Command) {
	level := "info"
	if !c.OK {
		level = "warn"
	}
	d.noteModule(c.Module, "command", level, c.Text(), map[string]any{"by": c.By, "what": c.What, "ok": c.OK}, 0)
}
