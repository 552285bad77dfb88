package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Pace of a share machine's ticks: while something is under way, and at rest.
const (
	busyTick = 20 * time.Millisecond
	idleTick = 250 * time.Millisecond
)

// tableTime limits how long a table may take to come into force.
const tableTime = 2 * time.Second

// ports is what a sharing needs of the node.
type ports struct {
	send     func(to core.NodeID, payload []byte) error
	publish  func(module string, d share.Digest)
	announce func(reason string)
	resumed  func(module string)
	note     func(text string, cause int64)
	setTable func(ctx context.Context, t sdk.FilterTable) error
	count    func(ctx context.Context) (map[string][]uint32, error)
}

// sharing runs the share machine of one module: one goroutine, one inbox.
type sharing struct {
	module string
	ports  ports
	log    *slog.Logger
	inbox  chan caused
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	view    share.View
	last    *share.Install
	waiting map[core.ShareOrder]func(core.Event)
}

func newSharing(ctx context.Context, module string, m *share.Machine, p ports, log *slog.Logger) *sharing {
	s := &sharing{
		module: module, ports: p, log: log, inbox: make(chan caused, 256),
		done: make(chan struct{}), waiting: map[core.ShareOrder]func(core.Event){},
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	go s.loop(m)
	return s
}

// caused is an input with the journal entry of what led to it; 0 if none did.
type caused struct {
	in    share.Input
	cause int64
}

// put hands an input to the machine, in order; it waits while the inbox is full.
func (s *sharing) put(in share.Input, cause int64) {
	select {
	case s.inbox <- caused{in, cause}:
	case <-s.ctx.Done():
	}
}

// order asks for a change of the share; answer is called when it is done.
func (s *sharing) order(o core.ShareOrder, cause int64, answer func(core.Event)) {
	s.mu.Lock()
	s.waiting[o] = answer
	s.mu.Unlock()
	s.put(share.Ordered{Order: o}, cause)
}

func (s *sharing) loop(m *share.Machine) {
	defer close(s.done)
	pace := idleTick
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		next := caused{in: share.Tick{}}
		select {
		case <-s.ctx.Done():
			return
		case next = <-s.inbox:
		case <-ticker.C:
		}
		for _, e := range m.Step(time.Now(), next.in) {
			s.carry(e, next.cause)
		}
		s.mu.Lock()
		s.view = m.View()
		s.mu.Unlock()
		want := idleTick
		if m.Busy() {
			want = busyTick
		}
		if want != pace {
			pace = want
			ticker.Reset(pace)
		}
	}
}

// carry does one effect. What takes time and is answered runs beside the loop;
// a table is in force when carry returns.
func (s *sharing) carry(e share.Effect, cause int64) {
	switch e := e.(type) {
	case share.Install:
		s.mu.Lock()
		s.last = &e
		s.mu.Unlock()
		s.install(e)
	case share.Send:
		payload, err := json.Marshal(letter{Module: s.module, Message: e.Message})
		if err != nil {
			s.log.Error("encode a share message", "error", err)
			return
		}
		go func() {
			if err := s.ports.send(e.To, payload); err != nil {
				s.log.Debug("send a share message", "to", e.To, "error", err)
			}
		}()
	case share.Count:
		go func() { s.put(share.Counted{Open: s.open()}, 0) }()
	case share.Publish:
		s.ports.publish(s.module, e.Digest)
	case share.Announce:
		s.ports.announce(e.Reason)
	case share.Done:
		s.answer(e)
	case share.Resume:
		s.ports.resumed(s.module)
	case share.Note:
		s.ports.note(e.Text, cause)
	}
}

// letter is a share message on its way.
type letter struct {
	Module  string        `json:"module"`
	Message share.Message `json:"message"`
}

func (s *sharing) install(e share.Install) {
	ctx, cancel := context.WithTimeout(s.ctx, tableTime)
	defer cancel()
	if err := s.ports.setTable(ctx, filterTable(s.module, e)); err != nil && s.ctx.Err() == nil {
		s.log.Warn("give the filter its table", "module", s.module, "error", err)
	}
}

// again repeats the last table, for a filter that lost it.
func (s *sharing) again() {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last != nil {
		s.install(*last)
	}
}

// open counts connections; nil, which means unknown, if that fails.
func (s *sharing) open() map[string]share.Bitmap {
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	counts, err := s.ports.count(ctx)
	if err != nil {
		s.log.Debug("count connections", "module", s.module, "error", err)
		return nil
	}
	open := map[string]share.Bitmap{}
	for group, buckets := range counts {
		open[group] = share.NewBitmap()
		for b, n := range buckets {
			if n > 0 {
				open[group].Set(b)
			}
		}
	}
	return open
}

func (s *sharing) answer(e share.Done) {
	s.mu.Lock()
	answer := s.waiting[e.Order]
	delete(s.waiting, e.Order)
	s.mu.Unlock()
	if answer != nil {
		answer(core.Event{Kind: core.EventShare, Name: string(e.Order), OK: e.OK, Reason: e.Reason})
	}
}

// current is the view in force here.
func (s *sharing) current() share.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

func (s *sharing) close() {
	s.cancel()
	<-s.done
}

// filterTable is a view as the filter takes it.
func filterTable(module string, e share.Install) sdk.FilterTable {
	t := sdk.FilterTable{
		Module: module, Epoch: uint64(e.View.Epoch), Accept: e.Accept, Agreed: e.Agreed,
		Groups: map[string][]sdk.Row{}, MACs: map[uint8][]sdk.MAC{},
	}
	for _, table := range e.View.Tables {
		rows := make([]sdk.Row, len(table.Rows))
		for i, r := range table.Rows {
			rows[i] = sdk.Row(r)
		}
		t.Groups[table.Name] = rows
	}
	for _, m := range e.View.Members {
		for _, mac := range m.MACs {
			t.MACs[uint8(m.Node)] = append(t.MACs[uint8(m.Node)], sdk.MAC(mac))
		}
	}
	return t
}
