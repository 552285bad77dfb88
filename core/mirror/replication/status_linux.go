package replication

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
)

// Status is where a Replicator stands.
type Status struct {
	Role core.ReplicaOrder `json:"role"` // prim, second or stop
	// State of a primary is that of mirror.Primary; of a secondary connecting, following or
	// copied.
	State       string             `json:"state,omitempty"`
	Connected   bool               `json:"connected"`
	Why         string             `json:"why,omitempty"` // it is not connected, or the last order failed
	Generations mirror.Generations `json:"generations"`
	Lag         Lag                `json:"lag"`
	Resync      *Resync            `json:"resync,omitempty"` // that is going on, or the last
	Verifying   *Verifying         `json:"verifying,omitempty"`
	Verified    *Verification      `json:"verified,omitempty"`
}

// Lag is what the secondary has not applied yet.
type Lag struct {
	Operations uint64 `json:"operations"`
	Bytes      int    `json:"bytes"`
	Syncs      int    `json:"syncs"` // that are waited for
	Sent       uint64 `json:"sent"`  // bytes of operations in this session
	Rate       int64  `json:"rate"`  // bytes of them a second
}

// Resync is a resynchronisation.
type Resync struct {
	Extent  string `json:"extent"`
	Running bool   `json:"running"`
	resync.Figures
	Rate int64         `json:"rate,omitempty"` // bytes a second that are compared
	Left time.Duration `json:"left,omitempty"`
}

// Verifying is a comparison of both copies that is going on.
type Verifying struct {
	resync.Figures
	Left time.Duration `json:"left,omitempty"`
}

// Status says where it stands.
func (r *Replicator) Status() Status {
	r.mu.Lock()
	st := Status{Role: core.ReplicateStop, Why: r.why}
	prim, second := r.prim, r.second
	r.mu.Unlock()
	switch {
	case prim != nil:
		prim.status(&st)
	case second != nil:
		second.status(&st)
	}
	st.Verified = r.LastVerification()
	return st
}

func (s *serving) status(st *Status) {
	state := s.recorder.State()
	st.Role, st.State, st.Generations = core.ReplicatePrim, state.String(), s.recorder.Generations()
	s.mu.Lock()
	sess, copying, comparing := s.session, s.copying, s.comparing
	if sess == nil {
		st.Why = s.why
	}
	s.mu.Unlock()
	if sess != nil {
		st.Connected = true
		q := sess.sender.Status()
		st.Lag = Lag{uint64(q.Sent - q.Applied), q.Waiting, q.Syncs, q.Bytes, 0}
	}
	if comparing != nil {
		st.Verifying = &Verifying{comparing.Figures(), comparing.Left()}
	}
	sent, copied := s.meter.rates()
	st.Lag.Rate = sent
	if copying != nil {
		st.Resync = &Resync{Extent: copying.extent.String(), Running: state == mirror.Resyncing, Figures: copying.progress.Figures()}
		if st.Resync.Running {
			st.Resync.Rate, st.Resync.Left = copied, copying.progress.Left()
		}
	}
}

func (f *following) status(st *Status) {
	st.Role = core.ReplicateSecond
	f.mu.Lock()
	defer f.mu.Unlock()
	st.Connected, st.Generations, st.State = f.connected, f.gens, "connecting"
	switch {
	case f.copied != (core.Generation{}):
		st.State = "copied"
	case f.connected:
		st.State = "following"
	}
	if !f.connected {
		st.Why = f.why
	}
}

// measure reads the counters that rates are told of.
func (s *serving) measure() {
	tick := time.NewTicker(metered)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case now := <-tick.C:
			s.meter.read(s.reading(now))
		}
	}
}

func (s *serving) reading(now time.Time) reading {
	s.mu.Lock()
	sess, copying := s.session, s.copying
	s.mu.Unlock()
	r := reading{at: now}
	if sess != nil {
		r.sent = sess.sender.Status().Bytes
	}
	if copying != nil {
		r.copied = copying.progress.Figures().Done
	}
	return r
}
