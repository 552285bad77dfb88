package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
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
	setTable func(ctx context.Context, t sdk.FilterTable, rules string) error
	count    func(ctx context.Context) (map[string][]uint32, error)
}

// sharing runs the share machine of one module: one goroutine, one inbox.
type sharing struct {
	module string
	self   core.NodeID
	ports  ports
	log    *slog.Logger
	inbox  chan caused
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	// The loop's own: the filter refused the newest table. Until it takes it,
	// nobody is told that this node uses it, and the lease is not renewed.
	behind bool
	unsaid *share.Digest // to be published then
	lapsed bool          // a lapse is to be answered then

	// giving is held while the filter is given a table, so that it ends with the newest.
	giving sync.Mutex

	mu      sync.Mutex
	view    share.View
	last    *share.Install
	changes shareChanges
	waiting map[core.ShareOrder]func(core.Event)
}

func newSharing(ctx context.Context, module string, m *share.Machine, p ports, log *slog.Logger) *sharing {
	s := &sharing{
		module: module, self: m.Self(), ports: p, log: log, inbox: make(chan caused, 256),
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
	done  chan struct{} // closed when it was dealt with; may be nil
}

// put hands an input to the machine, in order; it waits while the inbox is full.
// Of a halt it waits until the others have taken note.
func (s *sharing) put(in share.Input, cause int64) {
	if _, is := in.(share.Halted); is {
		s.halt()
		return
	}
	select {
	case s.inbox <- caused{in: in, cause: cause}:
	case <-s.ctx.Done():
	}
}

// newsTime is how long the others take to hear of something and to act on it.
const newsTime = 50 * time.Millisecond

// halt takes this node out. It returns when the others send nothing here any
// more, so that its filter and addresses can go.
func (s *sharing) halt() {
	c := caused{in: share.Halted{}, done: make(chan struct{})}
	select {
	case s.inbox <- c:
	case <-s.ctx.Done():
		return
	}
	select {
	case <-c.done:
	case <-s.ctx.Done():
		return
	}
	select {
	case <-time.After(newsTime):
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
	ticks := newPace()
	defer ticks.Stop()
	for {
		next := caused{in: share.Tick{}}
		select {
		case <-s.ctx.Done():
			return
		case next = <-s.inbox:
		case <-ticks.C:
		}
		switch next.in.(type) {
		case share.Tick:
			if s.behind {
				s.catchUp()
			}
		case share.Halted:
			s.forget()
		}
		for _, e := range m.Step(time.Now(), next.in) {
			s.carry(e, next.cause)
		}
		if next.done != nil {
			close(next.done)
		}
		s.mu.Lock()
		s.view = m.View()
		s.mu.Unlock()
		ticks.set(m.Busy() || s.behind)
	}
}

// carry does one effect. What takes time and is answered runs beside the loop;
// a table is in force when carry returns.
func (s *sharing) carry(e share.Effect, cause int64) {
	switch e := e.(type) {
	case share.Install:
		s.mu.Lock()
		s.changes.count(s.last, e)
		s.last = &e
		s.mu.Unlock()
		s.install()
	case share.Send:
		if s.behind && (e.Message.Kind == share.MsgInstalled || e.Message.Kind == share.MsgReport) {
			return
		}
		if e.To == s.self {
			go s.put(share.Received{From: s.self, Message: e.Message}, cause)
			return
		}
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
		if s.behind {
			s.unsaid = &e.Digest
			return
		}
		s.ports.publish(s.module, e.Digest)
	case share.Announce:
		s.ports.announce(e.Reason)
	case share.Done:
		s.answer(e)
	case share.Resume:
		if s.behind {
			s.lapsed = true
			return
		}
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

// install gives the filter the newest table, which is in force when it returns; or the
// node is behind.
func (s *sharing) install() {
	err := s.give()
	if err != nil && !s.behind {
		s.ports.note(fmt.Sprintf("The packet filter does not take its table, and is asked again until it does: %v", err), 0)
	}
	s.behind = err != nil
}

// give gives the filter the newest table, if there is one.
func (s *sharing) give() error {
	s.giving.Lock()
	defer s.giving.Unlock()
	s.mu.Lock()
	e := s.last
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, tableTime)
	defer cancel()
	err := s.ports.setTable(ctx, filterTable(s.module, *e), e.View.Rules)
	if s.ctx.Err() != nil {
		return nil
	}
	return err
}

// forget drops what was kept for a filter that is to go.
func (s *sharing) forget() {
	if s.lapsed {
		s.ports.resumed(s.module)
	}
	s.behind, s.unsaid, s.lapsed = false, nil, false
	s.mu.Lock()
	s.last = nil
	s.mu.Unlock()
}

// catchUp tries the newest table again, and says what was kept back.
func (s *sharing) catchUp() {
	if s.install(); s.behind {
		return
	}
	if s.unsaid != nil {
		s.ports.publish(s.module, *s.unsaid)
	}
	if s.lapsed {
		s.ports.resumed(s.module)
	}
	s.unsaid, s.lapsed = nil, false
}

// again repeats the last table, for a filter that lost it.
func (s *sharing) again() {
	if err := s.give(); err != nil {
		s.log.Warn("give the filter its table again", "module", s.module, "error", err)
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

// agreed says that all nodes are known to use the view in force here.
func (s *sharing) agreed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last != nil && s.last.Agreed
}

func (s *sharing) close() {
	s.cancel()
	<-s.done
}

// filterTable is a view as the filter takes it.
func filterTable(module string, e share.Install) sdk.FilterTable {
	t := sdk.FilterTable{
		Module: module, Epoch: uint64(e.View.Epoch), Accept: e.Accept, Agreed: e.Agreed, Moving: e.View.Moving, Silent: e.Silent,
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
