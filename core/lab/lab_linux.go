package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Lab is a running lab that this process owns.
type Lab struct {
	opts  Options
	place place
	lock  *os.File

	turn  sync.Mutex // one fault, or the end, at a time
	net   *network
	nodes []*node
	proxy *proxy
	ctl   *control

	mu     sync.Mutex // what Status shows
	status Status
	cut    map[string]bool // by switch port
	group  map[string]int

	stopped   context.Context // ends when Close begins
	stop      context.CancelFunc
	closeOnce sync.Once
	closeErr  error
	done      chan struct{}
}

// Start builds a lab and returns when its cluster is complete. It removes what
// an earlier lab of the name left behind, and is refused while one runs. After
// an error nothing is left. Start needs root.
func Start(ctx context.Context, o Options) (*Lab, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab makes network namespaces: run it as root")
	}
	l := &Lab{opts: o, place: o.place(), cut: map[string]bool{}, group: map[string]int{}, done: make(chan struct{})}
	l.status = Status{Name: o.Name, Dir: l.place.dir, Owner: os.Getpid(), Phase: Starting, VIP: SuggestedVIP, VIP6: SuggestedVIP6, Steps: []string{}}
	l.stopped, l.stop = context.WithCancel(context.Background())
	if l.lock, err = own(l.place); err != nil {
		return nil, err
	}
	l.turn.Lock()
	err = l.build(ctx)
	l.turn.Unlock()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.step("the lab is ready")
	l.mu.Lock()
	l.status.Phase = Running
	l.mu.Unlock()
	return l, nil
}

func (l *Lab) build(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.stopped, cancel)()
	if err := sweep(l.place, l.opts.CleanNode); err != nil {
		return fmt.Errorf("remove what an earlier lab left: %w", err)
	}
	if err := prepareDir(l.place, l.opts.Program); err != nil {
		return err
	}
	var err error
	if l.ctl, err = serveControl(l); err != nil {
		return err
	}
	l.step(fmt.Sprintf("building a network of %d nodes and a client", l.opts.Nodes))
	if err := l.wire(); err != nil {
		return err
	}
	ctx, cancelForm := context.WithTimeout(ctx, l.opts.FormWithin)
	defer cancelForm()
	if err := l.boot(ctx); err != nil {
		return fmt.Errorf("%w%s", err, l.logs())
	}
	return nil
}

func prepareDir(p place, program string) error {
	if err := os.MkdirAll(p.bin(), 0o755); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}
	link := filepath.Join(p.bin(), "orchestrator")
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) { // an earlier lab's, perhaps of another program
		return fmt.Errorf("remove an earlier lab's program: %w", err)
	}
	if err := os.Symlink(program, link); err != nil {
		return fmt.Errorf("link the program into the lab: %w", err)
	}
	return nil
}

func (l *Lab) wire() error {
	var err error
	if l.net, err = buildNetwork(l.opts); err != nil {
		return err
	}
	clients := make([]int, 0, maxClientAddresses+1)
	for i := range l.opts.ClientAddresses + 1 {
		clients = append(clients, clientHost+i)
	}
	if err := l.net.connect(Client, firstNetwork, clients...); err != nil {
		return err
	}
	if l.opts.WithRouter {
		if err := l.net.addRouter(); err != nil {
			return err
		}
	}
	for number := 1; number <= l.opts.Nodes; number++ {
		if err := l.wireNode(number); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) wireNode(number int) error {
	name := nodeName(number)
	for network := range l.opts.Networks {
		if err := l.net.connect(name, network, number); err != nil {
			return err
		}
	}
	l.nodes = append(l.nodes, &node{place: l.place, name: name, number: number, ns: l.net.members[name]})
	if l.opts.WithRouter {
		return l.net.farRoute(name)
	}
	return nil
}

// boot starts the daemons and makes a cluster of them.
func (l *Lab) boot(ctx context.Context) error {
	l.step("starting the daemons")
	for _, n := range l.nodes {
		if err := n.start(l.opts); err != nil {
			return err
		}
	}
	if l.opts.HostPort >= 0 {
		var err error
		target := join(NodeAddress(1).String(), DefaultPort)
		if l.proxy, err = startProxy(l.opts.HostPort, l.nodes[0].ns, target); err != nil {
			return err
		}
		l.mu.Lock()
		l.status.Console = l.proxy.address()
		l.mu.Unlock()
	}
	if l.opts.NoCluster {
		return nil
	}
	for _, n := range l.nodes {
		if err := waitAnswer(ctx, l.place.socket(n.name), n.done()); err != nil {
			return fmt.Errorf("start %s: %w", n.name, err)
		}
	}
	return form(ctx, l.Orchestrate, l.opts, l.step)
}

// Orchestrate runs the program on a node with the arguments and answers its
// standard output; an error has its standard error in it.
func (l *Lab) Orchestrate(ctx context.Context, node string, args ...string) ([]byte, error) {
	var out, problem bytes.Buffer
	err := Exec(ctx, l.opts.Root, l.opts.Name, node, append([]string{"orchestrator"}, args...), Stdio{Out: &out, Err: &problem})
	if err != nil {
		return out.Bytes(), fmt.Errorf("orchestrator %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return out.Bytes(), nil
}

// logs are the last words of daemons that are not running.
func (l *Lab) logs() string {
	var b strings.Builder
	for _, n := range l.nodes {
		if n.pid() == 0 {
			fmt.Fprintf(&b, "\n--- end of the log of %s:\n%s", n.name, lastLines(l.place.logFile(n.name), 1000))
		}
	}
	return b.String()
}

func (l *Lab) step(text string) {
	l.opts.Log.Info("lab", "name", l.opts.Name, "step", text)
	l.mu.Lock()
	l.status.Steps = append(l.status.Steps, text)
	l.mu.Unlock()
	if l.opts.Progress != nil {
		l.opts.Progress(text)
	}
}

// ClientNamespace is the path of the client's network namespace.
func (l *Lab) ClientNamespace() string { return ClientNamespace(l.opts.Name) }

// ClientNamespace is the path of the client's network namespace in a lab.
func ClientNamespace(name string) string {
	return filepath.Join(namespaces, place{name: name}.namespace(Client))
}

// Done is closed when the lab has been removed, by Close or by a request on its
// control socket.
func (l *Lab) Done() <-chan struct{} { return l.done }

// Close stops the daemons, ends every process in the lab and removes the lab. A
// second call answers what the first did.
func (l *Lab) Close() error {
	l.closeOnce.Do(func() {
		l.stop()
		l.turn.Lock()
		defer l.turn.Unlock()
		l.closeErr = l.tearDown()
		close(l.done)
	})
	return l.closeErr
}

func (l *Lab) tearDown() error {
	var errs []error
	if l.proxy != nil {
		errs = append(errs, l.proxy.close())
	}
	l.stopDaemons()
	if l.net != nil {
		errs = append(errs, l.net.close())
	}
	errs = append(errs, sweep(l.place, l.opts.CleanNode))
	if l.ctl != nil {
		errs = append(errs, l.ctl.close())
	}
	// The folder goes while it is still locked: whoever waits for the lock sees
	// that the file is another one now.
	errs = append(errs, removeDir(l.place), l.lock.Close())
	return errors.Join(errs...)
}

// stopDaemons gives them the time of Grace; sweep ends the rest.
func (l *Lab) stopDaemons() {
	limit := time.NewTimer(l.opts.Grace)
	defer limit.Stop()
	for _, n := range l.nodes {
		if s := n.status(); s.Daemon == DaemonRunning {
			_ = n.signal(syscall.SIGTERM) // it may have ended this moment
		} else if s.Daemon == DaemonPaused {
			_ = n.signal(syscall.SIGKILL)
		}
	}
	for _, n := range l.nodes {
		select {
		case <-n.done():
		case <-limit.C:
			return
		}
	}
}

// Status answers how the lab is.
func (l *Lab) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Steps = append([]string{}, s.Steps...)
	s.Nodes = []NodeStatus{}
	s.Client = ClientStatus{Namespace: l.place.namespace(Client), Group: l.group[Client]}
	for i := range l.opts.ClientAddresses + 1 {
		s.Client.Addresses = append(s.Client.Addresses, ClientAddress(i).String())
		s.Client.Addresses6 = append(s.Client.Addresses6, ClientAddress6(i).String())
	}
	if s.Phase != Running {
		return s
	}
	for _, n := range l.nodes {
		ns := n.status()
		ns.Group, ns.Link = l.group[n.name], l.link(n.name)
		s.Nodes = append(s.Nodes, ns)
	}
	return s
}

// link says which of a member's cables are cut; it needs the lock.
func (l *Lab) link(member string) string {
	var bad []string
	for _, p := range l.net.ports[member] {
		if p.gone.Load() {
			bad = append(bad, p.device+" unplugged")
		} else if l.cut[p.name] {
			bad = append(bad, p.device+" cut")
		}
	}
	return cmp.Or(strings.Join(bad, ", "), "up")
}

// available says whether this system can have labs.
func available() error { return nil }
