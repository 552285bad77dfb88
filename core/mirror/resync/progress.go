package resync

import (
	"sync"
	"time"
)

// Progress is how far a resynchronisation, or a comparison, is.
type Progress struct {
	mu     sync.Mutex
	now    func() time.Time
	figure Figures
}

// Figures are those of a Progress.
type Figures struct {
	Since time.Time `json:"since"`
	Round int       `json:"round"`
	Files int64     `json:"files"` // looked at
	Total int64     `json:"total"` // bytes that are to be compared, as far as it is known
	Done  int64     `json:"done"`  // bytes of them that were
	Sent  int64     `json:"sent"`  // bytes of data that differed
}

// NewProgress begins one.
func NewProgress() *Progress { return &Progress{now: time.Now, figure: Figures{Since: time.Now()}} }

// Figures are where it stands.
func (p *Progress) Figures() Figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.figure
}

// Left estimates the time to the end from the speed so far, 0 if nothing can be said.
func (p *Progress) Left() time.Duration {
	f := p.Figures()
	if f.Done <= 0 || f.Total <= f.Done {
		return 0
	}
	spent := p.now().Sub(f.Since)
	return time.Duration(float64(spent) * float64(f.Total-f.Done) / float64(f.Done))
}

func (p *Progress) add(change func(*Figures)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.figure)
	p.figure.Done = min(p.figure.Done, p.figure.Total)
}
