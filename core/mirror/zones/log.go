package zones

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
)

// Options of a Log. Zero values mean the defaults.
type Options struct {
	// ZoneSize is the bytes of a zone, 1 MiB unless set. It must not change while there
	// are zones.
	ZoneSize int64
	// MaxZones bounds the memory: with more, everything is dirty. 262144 unless set,
	// about 40 MB.
	MaxZones int
	// MaxPerFile is how many zones of one file are told apart before all of it is
	// dirty, 4096 unless set.
	MaxPerFile int
	// There: a record was made before, so that one which is not there is damaged.
	There bool
	// MaxLog is the size of the log, in bytes, at which a checkpoint is made, 4 MiB
	// unless set.
	MaxLog int64
}

// MaxZones is the default of Options.
const MaxZones = 1 << 18

func (o Options) orDefaults() Options {
	if o.ZoneSize == 0 {
		o.ZoneSize = 1 << 20
	}
	if o.MaxZones == 0 {
		o.MaxZones = MaxZones
	}
	if o.MaxPerFile == 0 {
		o.MaxPerFile = 4096
	}
	if o.MaxLog == 0 {
		o.MaxLog = 4 << 20
	}
	return o
}

// DamagedError says that the files cannot be read. What was recorded is unknown, so
// everything is to be compared.
type DamagedError struct{ Why string }

func (e *DamagedError) Error() string {
	return "the record of dirty zones is damaged (" + e.Why + "): all files have to be compared"
}

// Log records zones. Its methods may be used by any number of goroutines.
type Log struct {
	disk Disk
	opts Options

	mu      sync.Mutex
	done    *sync.Cond // written advanced, or err
	set     *set
	pending []record // of batch number
	number  uint64   // of the batch that gathers
	base    uint64   // number of the last batch before this log
	durable uint64   // last batch on disk
	writing bool
	file    File
	size    int64
	full    int64  // size at which a checkpoint is made
	logs    uint64 // number of the log file
	err     error
}

// Open reads what is recorded on disk, or begins a new record. With a *DamagedError the
// Log is usable, and everything in it is dirty.
func Open(disk Disk, o Options) (*Log, error) {
	l := &Log{disk: disk, opts: o.orDefaults(), set: newSet()}
	l.done = sync.NewCond(&l.mu)
	damage := l.recover()
	if damage != nil && !errors.As(damage, new(*DamagedError)) {
		return nil, damage
	}
	if damage != nil {
		l.set.apply(record{op: opEverything}, 0)
	}
	l.number = 1
	if err := l.checkpoint(); err != nil {
		return nil, err
	}
	return l, damage
}

const checkpointName = "zones"

func logName(n uint64) string { return fmt.Sprintf("zones.log.%d", n) }

// recover reads the checkpoint and the log after it.
func (l *Log) recover() error {
	b, err := l.disk.ReadFile(checkpointName)
	if errors.Is(err, fs.ErrNotExist) && l.opts.There {
		return &DamagedError{"it is missing"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the record of dirty zones: %w", err)
	}
	number, records, _, err := decode(b)
	if err != nil {
		return &DamagedError{"its checkpoint is unreadable"}
	}
	for _, r := range records {
		l.set.apply(r, 0)
	}
	l.logs = number
	b, err = l.disk.ReadFile(logName(number))
	if errors.Is(err, fs.ErrNotExist) {
		return &DamagedError{"its log is missing"}
	}
	if err != nil {
		return fmt.Errorf("read the log of dirty zones: %w", err)
	}
	return l.replay(b)
}

// replay applies a log's batches up to the first that a crash tore.
func (l *Log) replay(b []byte) error {
	for want := uint64(1); len(b) > 0; want++ {
		number, records, rest, err := decode(b)
		if err != nil || number != want {
			return noneAfter(b, want)
		}
		for _, r := range records {
			l.set.apply(r, 0)
		}
		b = rest
	}
	return nil
}

// noneAfter makes sure that the batch want, which is not there, was the last: a later
// one was only written when want was durable.
func noneAfter(b []byte, want uint64) error {
	for ; len(b) > 0; b = b[min(sector, len(b)):] {
		if number, _, _, err := decode(b); err == nil && number > want {
			return &DamagedError{fmt.Sprintf("batch %d of its log is unreadable, and %d is there", want, number)}
		}
	}
	return nil
}

// checkpoint writes the whole state, and an empty log after it. It is called when
// nothing is being written.
func (l *Log) checkpoint() error {
	err := l.checkpointWith(l.opts.MaxLog * reserveFor)
	if errors.Is(err, syscall.ENOSPC) { // what was reserved may have been the last
		err = l.checkpointWith(0)
	}
	return err
}

func (l *Log) checkpointWith(room int64) error {
	next := l.logs + 1
	file, err := l.disk.Create(logName(next))
	if err == nil {
		if r, ok := file.(reserver); ok && room > 0 {
			_ = r.Reserve(room) // as far as there is some
		}
		err = file.Sync()
	}
	if err == nil {
		err = l.store(next)
	}
	if err != nil && file != nil {
		_ = file.Close()
	}
	if errors.Is(err, syscall.ENOSPC) { // nothing names it yet
		_ = l.disk.Remove(logName(next))
	}
	if err != nil {
		return fmt.Errorf("checkpoint the record of dirty zones: %w", err)
	}
	if l.file != nil {
		_ = l.file.Close()
	}
	_ = l.disk.Remove(logName(l.logs)) // one too many does no harm
	l.file, l.size, l.logs, l.base = file, 0, next, l.number-1
	l.full = l.opts.MaxLog
	return nil
}

// reserver is a File that can keep room for itself, so that a full disk does not end the
// record, and with it all writing.
type reserver interface{ Reserve(size int64) error }

// reserveFor is how many times MaxLog is reserved: on a disk without room for a
// checkpoint the log goes on.
const reserveFor = 4

// checkpointIfFull makes a checkpoint of a log that is long enough. On a full disk
// it is tried again later: what there is stays good.
func (l *Log) checkpointIfFull() error {
	if l.size < l.full {
		return nil
	}
	err := l.checkpoint()
	if errors.Is(err, syscall.ENOSPC) {
		l.full = l.size + l.opts.MaxLog/4
		return nil
	}
	return err
}

func (l *Log) store(next uint64) error {
	if err := l.disk.Sync(); err != nil { // the new log's name, before the checkpoint that names it
		return err
	}
	return Replace(l.disk, checkpointName, encode(next, l.set.records()))
}

// Close closes the files. Nothing more may be marked.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.done.Wait()
	}
	if l.err == nil {
		l.err = errors.New("the record of dirty zones is closed")
	}
	return l.file.Close()
}
