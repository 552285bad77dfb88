package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Identity is this node's, with the cluster's keys: a pki.Identity.
type Identity interface {
	ServerTLS() *tls.Config
	ClientTLS(name string) *tls.Config
	PeerNode(tls.ConnectionState) (core.NodeID, error)
}

// Greeter is a module at the port.
type Greeter interface {
	// Greet answers what is said to a peer that said theirs, or why it is refused.
	Greet(theirs Hello) (mine Hello, err error)
	// Take takes a connection that was greeted; it is the Greeter's from then on.
	Take(conn net.Conn, theirs Hello)
}

// patience is how long a greeting may take, dialing how long until it can begin: another
// network may do better.
const (
	patience = 10 * time.Second
	dialing  = 2 * time.Second
)

// maxGreeting is how many connections are greeted at the same time: anybody in the network may
// open some, and each has buffers.
const maxGreeting = 64

// Port takes the connections of other nodes.
type Port struct {
	identity func() Identity
	log      *slog.Logger

	mu       sync.Mutex
	greeters map[string]Greeter
	greeting map[net.Conn]struct{}
	listener net.Listener
	closed   bool
	running  sync.WaitGroup
}

// Listen opens a port, e.g. ":4802". identity is asked for each connection.
func Listen(address string, identity func() Identity, log *slog.Logger) (*Port, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for replication: %w", err)
	}
	p := &Port{identity: identity, log: log, greeters: map[string]Greeter{}, greeting: map[net.Conn]struct{}{}, listener: l}
	p.running.Go(p.accept)
	return p, nil
}

// Address is where it listens.
func (p *Port) Address() netip.AddrPort { return p.listener.Addr().(*net.TCPAddr).AddrPort() }

// Register lets a module take connections. Only one may be called so.
func (p *Port) Register(module string, g Greeter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.greeters[module] = g
}

// Remove takes a module away.
func (p *Port) Remove(module string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.greeters, module)
}

// Close closes the port, but not the connections that were taken.
func (p *Port) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.greeting {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *Port) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // e.g. too many open files
			p.log.Warn("accept a replication connection", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		p.mu.Lock()
		if p.closed {
			conn.Close()
		} else {
			p.shed()
			p.greeting[conn] = struct{}{}
		}
		p.mu.Unlock()
		p.running.Go(func() { p.greet(conn) })
	}
}

// shed closes one of the connections if there are too many, with p.mu held. It is any of them,
// in the way of OpenSSH's MaxStartups: a node's is there for a moment, those of somebody who
// opens many are for long.
func (p *Port) shed() {
	if len(p.greeting) < maxGreeting {
		return
	}
	for conn := range p.greeting {
		conn.Close()
		delete(p.greeting, conn)
		return
	}
}

// greet does the greeting with who has dialed, and gives the connection away.
func (p *Port) greet(raw net.Conn) {
	conn, theirs, g, err := p.answer(raw)
	p.mu.Lock()
	delete(p.greeting, raw)
	p.mu.Unlock()
	if err != nil {
		p.log.Warn("replication connection", "from", raw.RemoteAddr().String(), "error", err)
		raw.Close()
		return
	}
	g.Take(conn, theirs)
}

func (p *Port) answer(raw net.Conn) (net.Conn, Hello, Greeter, error) {
	identity := p.identity()
	config := identity.ServerTLS()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	conn := secure(raw, tls.Server, config)
	_ = conn.SetDeadline(time.Now().Add(patience))
	fail := func(err error) (net.Conn, Hello, Greeter, error) { return nil, Hello{}, nil, err }
	if err := conn.Handshake(); err != nil {
		return fail(fmt.Errorf("the caller did not prove to be a node of this cluster: %w", err))
	}
	node, err := identity.PeerNode(conn.ConnectionState())
	if err != nil {
		return fail(err)
	}
	m, err := read(conn)
	if err != nil {
		return fail(err)
	}
	if m.Hello == nil || m.Hello.Node != node {
		return fail(fmt.Errorf("node %d greets with the number of another", node))
	}
	p.mu.Lock()
	g := p.greeters[m.Hello.Module]
	p.mu.Unlock()
	var mine Hello
	if g == nil {
		err = &RefusedError{Reason: fmt.Sprintf("module %s does not replicate on the called node: apply its configuration there", m.Hello.Module)}
	} else {
		mine, err = g.Greet(*m.Hello)
	}
	reply := message{Hello: &mine}
	if err != nil {
		reply = message{Refusal: reason(err)}
	}
	if failed := write(conn, reply); err == nil && failed != nil {
		err = failed
	}
	if err == nil {
		_, err = read(conn) // the verdict
	}
	if err != nil {
		return fail(err)
	}
	return conn, *m.Hello, g, conn.SetDeadline(time.Time{})
}

// reason is a refusal without what this side calls it.
func reason(err error) string {
	if r := (*RefusedError)(nil); errors.As(err, &r) {
		return r.Reason
	}
	return err.Error()
}

// Dial connects to the node called name and greets it with mine; check judges its
// greeting.
func Dial(ctx context.Context, to netip.AddrPort, name string, identity Identity, mine Hello, check func(theirs Hello) error) (net.Conn, Hello, error) {
	d := net.Dialer{Timeout: dialing, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	raw, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, Hello{}, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn := secure(raw, tls.Client, identity.ClientTLS(name))
	theirs, err := greet(conn, mine, check)
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		err = fmt.Errorf("%s did not prove to be a node of this cluster: if one of the two is of another cluster, remove it from its cluster and join it to this one (%w)", name, err)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, Hello{}, fmt.Errorf("connect to %s (%s) for replication: %w", name, to, err)
	}
	return conn, theirs, nil
}

func greet(conn net.Conn, mine Hello, check func(Hello) error) (Hello, error) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := write(conn, message{Hello: &mine}); err != nil {
		return Hello{}, err
	}
	m, err := read(conn)
	if err != nil {
		return Hello{}, err
	}
	if m.Hello == nil {
		return Hello{}, errors.New("the peer does not speak the replication protocol")
	}
	verdict := message{}
	err = check(*m.Hello)
	if err != nil {
		verdict.Refusal = reason(err)
	}
	if failed := write(conn, verdict); err == nil {
		err = failed
	}
	if err != nil {
		return Hello{}, err
	}
	return *m.Hello, conn.SetDeadline(time.Time{})
}
