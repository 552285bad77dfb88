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
	Known int64     `json:"known"` // files that are to be looked at, as far as it is known
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

// Cost is what files and bytes cost, in bytes that are compared in the same time: a small file
// takes about as long as 32 KiB.
func Cost(files, bytes int64) int64 { return files*(32<<10) + bytes }

// Left estimates the time to the end from the speed so far, 0 if nothing can be said.
func (p *Progress) Left() time.Duration {
	f := p.Figures()
	done, total := Cost(min(f.Files, f.Known), f.Done), Cost(f.Known, f.Total)
	if done <= 0 || total <= done {
		return 0
	}
	spent := p.now().Sub(f.Since)
	return time.Duration(float64(spent) * float64(total-done) / float64(done))
}

func (p *Progress) add(change func(*Figures)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.figure)
	p.figure.Done = min(p.figure.Done, p.figure.Total)
}
