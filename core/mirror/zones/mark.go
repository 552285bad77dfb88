package zones

import "fmt"

// Zones are those that length bytes from offset of a file lie in.
func (l *Log) Zones(inode uint64, offset, length int64) []Zone {
	if offset < 0 || length < 0 || (offset+length)/l.opts.ZoneSize >= int64(Whole) {
		return []Zone{{inode, Whole}}
	}
	last := max(offset, offset+length-1) / l.opts.ZoneSize
	var list []Zone
	for i := offset / l.opts.ZoneSize; i <= last; i++ {
		list = append(list, Zone{inode, uint32(i)})
	}
	return list
}

// MarkDirty records that the peer lacks length bytes from offset of a file. When it
// returns without an error, that is durable.
func (l *Log) MarkDirty(inode uint64, offset, length int64) error {
	return l.mark(opDirty, l.Zones(inode, offset, length)...)
}

// MarkActive records that they are about to be written here and there.
func (l *Log) MarkActive(inode uint64, offset, length int64) error {
	return l.mark(opActive, l.Zones(inode, offset, length)...)
}

// MarkZonesDirty records zones as they are, such as Names and Whole.
func (l *Log) MarkZonesDirty(list ...Zone) error { return l.mark(opDirty, list...) }

// MarkZonesActive records zones as they are.
func (l *Log) MarkZonesActive(list ...Zone) error { return l.mark(opActive, list...) }

func (l *Log) mark(op opcode, list ...Zone) error {
	since := (*set).dirtySince
	if op == opActive {
		since = (*set).activeSince
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	need := uint64(0)
	for _, z := range list {
		batch, recorded := since(l.set, z)
		if !recorded {
			l.note(record{op: op, zone: z, epoch: l.set.epoch})
			batch = l.number
			l.bound(z.Inode)
		}
		need = max(need, batch)
	}
	return l.wait(need)
}

// bound gives up on telling apart what are too many, with mu held.
func (l *Log) bound(inode uint64) {
	if l.set.perFile[inode] > l.opts.MaxPerFile {
		l.note(record{op: opDirty, zone: Zone{inode, Whole}})
	}
	if len(l.set.dirty) > l.opts.MaxZones {
		l.note(record{op: opEverything})
	}
	if len(l.set.active) > l.opts.MaxZones {
		l.note(record{op: opAllActive, epoch: l.set.epoch})
	}
}

// note applies a record and puts it into the batch that gathers, with mu held.
func (l *Log) note(r record) {
	l.set.apply(r, l.number)
	l.pending = append(l.pending, r)
}

// wait waits until a batch is durable, with mu held, and writes if nobody does. Those
// who come meanwhile gather in the next batch.
func (l *Log) wait(batch uint64) error {
	for l.err == nil && l.durable < batch {
		if l.writing {
			l.done.Wait()
			continue
		}
		l.write()
	}
	if l.durable >= batch && l.err == nil {
		return nil
	}
	return l.err
}

// write writes the batch that has gathered, with mu held but not during it.
func (l *Log) write() {
	b := encode(l.number-l.base, l.pending)
	at, file := l.size, l.file
	number := l.number
	l.writing, l.pending = true, nil
	l.number++
	l.mu.Unlock()
	_, err := file.WriteAt(b, at)
	if err == nil {
		err = file.Sync()
	}
	l.mu.Lock()
	l.writing = false
	if err != nil { // for good: what the disk has of it is unknown
		l.err = fmt.Errorf("record dirty zones: %w", err)
	} else {
		l.durable, l.size = number, at+int64(len(b))
		l.err = l.checkpointIfFull()
	}
	l.done.Broadcast()
}

// Clean says that zones are the same on both sides again: the peer has them durably.
// It is recorded with the next mark, or Flush.
func (l *Log) Clean(list ...Zone) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, z := range list {
		l.note(record{op: opClean, zone: z})
	}
}

// MarkEverything records that zones do not tell what the peer lacks.
func (l *Log) MarkEverything() error { return l.flush(record{op: opEverything}) }

// Clear says that nothing is dirty any more. Active zones stay.
func (l *Log) Clear() error { return l.flush(record{op: opClear}) }

// Merge makes active zones dirty: the peer was lost, or this node crashed.
func (l *Log) Merge() error { return l.flush(record{op: opMerge}) }

// Begin begins an epoch, and answers it for End.
func (l *Log) Begin() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(record{op: opEpoch, epoch: l.set.epoch + 1})
	return l.set.epoch
}

// End forgets the zones that were active before epoch only: what was written to them
// then is durable on both sides. It is recorded with the next mark, or Flush.
func (l *Log) End(epoch uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(record{op: opEnd, epoch: epoch})
}

// Flush makes durable what was said so far.
func (l *Log) Flush() error { return l.flush() }

func (l *Log) flush(records ...record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.note(r)
	}
	if len(l.pending) == 0 {
		return l.wait(l.number - 1)
	}
	return l.wait(l.number)
}

// Quiet says that no zone is active: nothing was written since the last epoch that ended.
func (l *Log) Quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.set.active) == 0 && l.set.allActive == nil
}

// Recorded is what a Log holds.
type Recorded struct {
	// Everything: all files are to be compared; Dirty and Active say no more.
	Everything    bool
	Dirty, Active []Zone // by file and index
}

// Recorded answers what is recorded.
func (l *Log) Recorded() Recorded {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Recorded{l.set.everything != nil || l.set.allActive != nil, sorted(l.set.dirty), sorted(l.set.active)}
}
