// Package journal keeps what happened on this node, each entry with the entry
// that caused it, in an SQLite file. It is the only importer of SQLite.
//
// Append only queues; a batch is committed every few milliseconds (WAL,
// synchronous=NORMAL). So a crash of the process loses the last few
// milliseconds, a power cut perhaps a little more, and neither harms the file.
package journal

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Entry is one thing that happened.
type Entry struct {
	ID     int64          `json:"id"`               // given by Append, ascending, above 0
	Time   time.Time      `json:"time"`             // zero is set by Append to now
	Module string         `json:"module,omitempty"` // empty: of the node or the cluster
	Node   string         `json:"node,omitempty"`   // the node that it is about, if not this one
	Kind   string         `json:"kind"`             // command, transition, hook, resource, share, network, member, plugin, config, …
	Level  string         `json:"level"`            // debug, info, warn or error; empty is info
	Text   string         `json:"text"`             // a whole sentence for people
	Data   map[string]any `json:"data,omitempty"`   // the same for programs
	Cause  int64          `json:"cause,omitempty"`  // ID of what led to it; 0 is a first cause
}

// Limits says how much is kept. The newest entry always is.
type Limits struct {
	Rows int           // 0 is 200,000
	Age  time.Duration // 0 is 90 days
}

const (
	batchDelay = 10 * time.Millisecond
	retryDelay = time.Second
	maxPending = 20_000 // entries that wait while the disk refuses them
	purgeEvery = 2_000  // entries
)

// ErrClosed is answered after Close.
var ErrClosed = errors.New("the journal is closed")

// ErrFull is answered by Append when the disk has refused entries for so long
// that no more can wait in memory. Health tells what the disk says.
var ErrFull = errors.New("the journal cannot be written and too many entries wait")

// Journal is an open journal. Its methods may be called from anywhere.
type Journal struct {
	db     *sql.DB
	path   string
	limits Limits
	clock  func() time.Time

	mu      sync.Mutex
	last    int64 // ID
	pending []row
	changed chan struct{} // closed at the next commit
	closed  bool
	health  error

	committing sync.Mutex
	written    int // entries since the last purge; under committing
	wake       chan struct{}
	stop       chan struct{}
	done       chan struct{}
}

// row is an entry as it is stored.
type row struct {
	Entry
	data sql.NullString
}

// Append queues an entry and answers its number at once. An error means that
// the entry is not kept: Data cannot be written as JSON, ErrFull or ErrClosed.
func (j *Journal) Append(e Entry) (int64, error) {
	if e.Time.IsZero() {
		e.Time = j.clock()
	}
	if e.Level == "" {
		e.Level = "info"
	}
	r := row{Entry: e}
	if len(e.Data) > 0 {
		b, err := json.Marshal(e.Data)
		if err != nil {
			return 0, fmt.Errorf("write data of journal entry %q: %w", e.Text, err)
		}
		r.data = sql.NullString{String: string(b), Valid: true}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return 0, ErrClosed
	case len(j.pending) >= maxPending:
		return 0, fmt.Errorf("%w: %v", ErrFull, j.health)
	}
	j.last++
	r.ID = j.last
	j.pending = append(j.pending, r)
	if len(j.pending) == 1 {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
	return r.ID, nil
}

// Health answers the error of the last commit, nil if it went well.
func (j *Journal) Health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.health
}

// Flush commits what was appended until now.
func (j *Journal) Flush() error {
	j.committing.Lock()
	defer j.committing.Unlock()
	j.mu.Lock()
	batch := j.pending
	j.pending = nil
	j.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := j.insert(batch)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.health = err
	if err != nil {
		j.pending = append(batch, j.pending...)
		return err
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

// Close commits what waits and closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	<-j.done
	return errors.Join(j.Flush(), j.db.Close())
}

// write commits batches until Close.
func (j *Journal) write() {
	defer close(j.done)
	for {
		select {
		case <-j.stop:
			return
		case <-j.wake:
		}
		for delay := batchDelay; ; delay = retryDelay {
			if !j.pause(delay) {
				return
			}
			if j.Flush() == nil {
				break
			}
		}
	}
}

// pause waits; false means that the journal closes.
func (j *Journal) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-j.stop:
		return false
	case <-t.C:
		return true
	}
}
