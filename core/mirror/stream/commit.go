package stream

import "fmt"

// syncKey is what an Fsync may share with others: the file and the flags.
type syncKey struct {
	file  FileID
	flags uint32
}

// syncs are the Fsyncs of one file that came while a sync of it runs: the next one
// answers them all.
type syncs struct {
	waiting []Seq
	next    func() error // for waiting; nil if nothing waits
}

// sync lets an Fsync join those that wait, or prepares a sync of its own; begin,
// if not nil, starts it, with r.mu held.
func (r *Receiver) sync(seq Seq, op Op) (begin func(), err error) {
	key := syncKey{op.File, op.Flags}
	r.mu.Lock()
	if s := r.syncing[key]; s != nil && s.next != nil {
		s.waiting = append(s.waiting, seq)
		r.mu.Unlock()
		return nil, nil
	}
	r.mu.Unlock()
	commit, err := r.fs.Commit(op)
	if err != nil {
		return nil, err
	}
	return func() {
		if s := r.syncing[key]; s != nil {
			s.waiting, s.next = []Seq{seq}, commit
			return
		}
		r.syncing[key] = &syncs{}
		r.running.Go(func() { r.commit(key, []Seq{seq}, commit) })
	}, nil
}

// commit runs a sync, answers the Fsyncs that it was for, and goes on with those that
// came meanwhile.
func (r *Receiver) commit(key syncKey, seqs []Seq, commit func() error) {
	for commit != nil {
		err := commit()
		if err != nil {
			// Never tried again as if nothing had been: the kernel may have
			// dropped the pages that it could not write.
			r.end(failed(seqs[0], fmt.Errorf("sync of file %d: %w", key.file, err)))
		}
		r.mu.Lock()
		if r.err == nil {
			for _, seq := range seqs {
				r.answers = append(r.answers, answer{kind: answerDurable, seq: seq})
			}
			r.tell() // here: to wake up the writer would take longer
		}
		s := r.syncing[key]
		seqs, commit = s.waiting, s.next
		s.waiting, s.next = nil, nil
		if commit == nil {
			delete(r.syncing, key)
		}
		r.mu.Unlock()
	}
}
