package pluginhost

import (
	"context"
	"sync"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Filter is a packet filter, whichever process it is in now. What the filter
// put into the kernel stays there while its process is dead.
//
// Configure, State, Sockets and Remove wait for the plugin to be (re)started, as
// long as their context allows; SetTable and Renew never wait and fail with
// ErrUnavailable.
type Filter struct {
	host    *Host
	program *program
	name    string
	who     string

	mu        sync.Mutex
	session   *session
	remote    *sdk.RemoteFilter // of session
	restarted func(context.Context)
}

var _ sdk.Filter = (*Filter)(nil)

// Filter gives the filter of that name, always the same for a name. It fails if
// there is none in the table.
func (h *Host) Filter(name string) (*Filter, error) {
	p, err := h.lookup(sdk.KindFilter, name)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.filters[name]
	if f == nil {
		f = &Filter{host: h, program: p, name: name, who: key(sdk.KindFilter, name)}
		h.filters[name] = f
		p.mu.Lock()
		p.onStart = append(p.onStart, f.started)
		p.mu.Unlock()
	}
	return f, nil
}

// OnRestart sets what is called each time the filter runs in a new process
// after the first, which knows nothing: configure it and set its tables again.
// f is called in a goroutine of its own; its context ends when that process
// does.
func (f *Filter) OnRestart(call func(ctx context.Context)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.restarted = call
}

// started is told of each new process.
func (f *Filter) started(s *session, n int) {
	f.mu.Lock()
	call := f.restarted
	f.mu.Unlock()
	if n == 1 || call == nil {
		return
	}
	ctx, cancel := context.WithCancel(f.host.ctx)
	f.host.wg.Go(func() {
		defer cancel()
		call(ctx)
	})
	f.host.wg.Go(func() {
		select {
		case <-s.run.exited:
			cancel()
		case <-ctx.Done():
		}
	})
}

// of gives the twin that belongs to a session, made once for each.
func (f *Filter) of(s *session) (*sdk.RemoteFilter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.session == s {
		return f.remote, nil
	}
	r, err := s.client.Filter(f.name)
	if err != nil {
		return nil, err
	}
	if f.remote != nil {
		f.remote.Close()
	}
	f.session, f.remote = s, r
	return r, nil
}

func (f *Filter) wait(ctx context.Context) (*sdk.RemoteFilter, error) {
	s, err := f.program.wait(ctx, f.who)
	if err != nil {
		return nil, err
	}
	return f.of(s)
}

func (f *Filter) now() (*sdk.RemoteFilter, error) {
	s, err := f.program.now(f.who)
	if err != nil {
		return nil, err
	}
	return f.of(s)
}

// Describe tells how the filter presents itself; only its name and kind while
// it has never run.
func (f *Filter) Describe() sdk.Description {
	if r, err := f.now(); err == nil {
		return r.Describe()
	}
	return sdk.Description{Kind: sdk.KindFilter, Name: f.name}
}

// Configure hands over the wish of one module; see sdk.Filter.
func (f *Filter) Configure(ctx context.Context, c sdk.FilterConfig) (sdk.FilterState, error) {
	r, err := f.wait(ctx)
	if err != nil {
		return sdk.FilterState{}, err
	}
	return r.Configure(ctx, c)
}

// SetTable hands over a table; see sdk.Filter.
func (f *Filter) SetTable(ctx context.Context, t sdk.FilterTable) error {
	r, err := f.now()
	if err != nil {
		return err
	}
	return r.SetTable(ctx, t)
}

// Renew lets the filter serve until deadline (CLOCK_BOOTTIME, ns). It never
// waits; an error may be an earlier renewal's.
func (f *Filter) Renew(deadline uint64) error {
	r, err := f.now()
	if err != nil {
		return err
	}
	return r.Renew(deadline)
}

// Sockets counts connections by group and bucket; see sdk.Filter.
func (f *Filter) Sockets(ctx context.Context, module string) (map[string][]uint32, error) {
	r, err := f.wait(ctx)
	if err != nil {
		return nil, err
	}
	return r.Sockets(ctx, module)
}

// State asks the filter what it shows of itself.
func (f *Filter) State(ctx context.Context) (sdk.FilterState, error) {
	r, err := f.wait(ctx)
	if err != nil {
		return sdk.FilterState{}, err
	}
	return r.State(ctx)
}

// Remove makes the filter forget a module; see sdk.Filter.
func (f *Filter) Remove(ctx context.Context, module string) error {
	r, err := f.wait(ctx)
	if err != nil {
		return err
	}
	return r.Remove(ctx, module)
}
