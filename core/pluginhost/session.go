package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const (
	startTimeout = 20 * time.Second // from exec to the first answer, on a very busy machine
	pingMisses   = 2                // so many unanswered pings in a row end a process that hangs
)

// pulse says how a host finds out that a process hangs.
type pulse struct{ every, timeout time.Duration }

func defaultPulse() pulse { return pulse{every: 3 * time.Second, timeout: 5 * time.Second} }

// session is one process of a program.
type session struct {
	rpc    *plugin.Client
	run    *process
	client *sdk.Client
	pulse  pulse
}

// start starts a process and asks it what it serves.
func (p *program) start(ctx context.Context) (*session, error) {
	if err := p.spec.verify(); err != nil {
		return nil, err
	}
	run, err := newProcess(p)
	if err != nil {
		return nil, err
	}
	s := &session{run: run, pulse: p.host.pulse}
	s.rpc = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: sdk.Handshake(), Plugins: sdk.HostPlugins(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true, SkipHostEnv: true, StartTimeout: startTimeout,
		Logger:           hclog.NewNullLogger(), // process logs what matters
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: p.host.o.RunDir},
		RunnerFunc:       run.attach,
	})
	stopWaiting := context.AfterFunc(ctx, run.kill)
	defer stopWaiting()
	err = s.connect()
	if err == nil {
		return s, nil
	}
	if text := run.exitSoon(); text != "" {
		err = errors.New("it ended before it was ready: " + text)
	}
	run.kill()
	s.end()
	if tail := run.tail.String(); tail != "" {
		err = fmt.Errorf("%w; its last words: %s", err, tail)
	}
	return nil, err
}

func (s *session) connect() error {
	rpc, err := s.rpc.Client()
	if err != nil {
		return err
	}
	raw, err := rpc.Dispense(sdk.HostPluginName)
	if err != nil {
		return err
	}
	s.client = raw.(*sdk.Client)
	return nil
}

// supervise returns when the process is gone, with the reason; it ends a
// process that does not answer.
func (s *session) supervise(ctx context.Context) string {
	pings, stop := context.WithCancel(ctx)
	defer stop()
	silent := make(chan struct{})
	go s.ping(pings, silent)
	select {
	case <-s.run.exited:
		why := "died: " + s.run.exit()
		if tail := s.run.tail.String(); tail != "" {
			why += " (" + tail + ")"
		}
		return why
	case <-silent:
		s.run.kill()
		<-s.run.exited
		return fmt.Sprintf("did not answer for %s and was killed", span(pingMisses*s.pulse.timeout))
	case <-ctx.Done():
		return "was closed"
	}
}

// ping closes silent when too many pings in a row got no answer.
func (s *session) ping(ctx context.Context, silent chan<- struct{}) {
	tick := time.NewTicker(s.pulse.every)
	defer tick.Stop()
	for misses := 0; misses < pingMisses; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, s.pulse.timeout)
		misses++
		if s.client.Ping(one) == nil {
			misses = 0
		}
		cancel()
	}
	close(silent)
}

// end closes the connection, waits for the process and removes its socket. A
// process that does not end by itself soon is killed.
func (s *session) end() { s.rpc.Kill() }

// attach gives the process to go-plugin, which adds variables to its
// environment.
func (r *process) attach(_ hclog.Logger, cmd cmdSpec, _ string) (runner.Runner, error) {
	r.cmd.Env = append(r.cmd.Env, cmd.Env...)
	return r, nil
}
