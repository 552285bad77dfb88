package replication

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// record is what is kept with a copy, beside its data.
type record struct {
	Format  int      `json:"format"`
	Cluster string   `json:"cluster"`
	Module  string   `json:"module"`
	Folder  string   `json:"folder"`  // where applications see it
	Folders []string `json:"folders"` // all of the module's
	// Serial counts the changes: those of a module's folders go together.
	Serial uint64 `json:"serial"`
	// Origin is the directory that this was written about. A copy that was restored from a
	// backup of files has another.
	Origin      origin             `json:"origin"`
	Generations mirror.Generations `json:"generations"`
	// Saving names what is set aside while the copy is overwritten.
	Saving string `json:"saving,omitempty"`
	// Local is what was not replicated when the copy was open last; nil: a record that does
	// not know.
	Local *exclude.Spec `json:"local,omitempty"`
	// Seal is how the data was left by a primary that was stopped in order.
	Seal *fs.Seal `json:"seal,omitempty"`
}

// origin names a directory for as long as it is not made anew.
type origin struct {
	Inode uint64 `json:"inode"`
	Born  int64  `json:"born"` // nanoseconds since 1970; 0 where the file system does not know
}

const recordFormat = 1

// RecordError says that what is known of a copy is no use, or is about another. It is used
// only when an operator says so.
type RecordError struct {
	File string
	Why  string
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("%s %s: what is in this copy is not certain. secondforce copies everything from the primary; primforce makes this copy the primary's as it is", e.File, e.Why)
}

// originOf looks at a directory.
func originOf(dir string) (origin, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return origin{}, fmt.Errorf("look at %s: %w", dir, err)
	}
	o := origin{Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		o.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return o, nil
}

// sealed is a record as it is in its file.
type sealed struct {
	Record json.RawMessage `json:"record"`
	Sum    string          `json:"sum"` // SHA-256 of it
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// readRecord reads a record; one that is not there is os.ErrNotExist.
func readRecord(file string) (record, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return record{}, err
	}
	bad := func(why string) (record, error) { return record{}, &RecordError{file, why} }
	var s sealed
	if json.Unmarshal(b, &s) != nil {
		return bad("is damaged")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, s.Record) != nil || sum(compact.Bytes()) != s.Sum {
		return bad("was changed by hand, or is damaged")
	}
	var r record
	if json.Unmarshal(s.Record, &r) != nil || r.Generations.Check() != nil {
		return bad("is damaged")
	}
	if r.Format != recordFormat {
		return bad(fmt.Sprintf("has format %d, which another release wrote", r.Format))
	}
	return r, nil
}

// writeRecord makes a record durable, in one step.
func writeRecord(file string, r record) error {
	r.Format = recordFormat
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	out, err := json.MarshalIndent(sealed{b, sum(b)}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(file, append(out, '\n')); err != nil {
		return fmt.Errorf("keep the generations of the copy: %w", err)
	}
	return nil
}

// reserved is the room that is kept for a record on a disk that becomes full.
const reserved = 64 << 10

// keep makes a record durable, on a full disk in the room that was reserved for it.
func (p Place) keep(r record) error {
	reserve := filepath.Join(p.behind(), "reserve")
	err := writeRecord(p.state(), r)
	if errors.Is(err, unix.ENOSPC) && os.Remove(reserve) == nil {
		err = writeRecord(p.state(), r)
	}
	if err != nil {
		return err
	}
	if st, err := os.Stat(reserve); err != nil || st.Size() < reserved { // it was used, and there was no room
		f, err := os.OpenFile(reserve, os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_ = unix.Fallocate(int(f.Fd()), 0, 0, reserved) // on a full disk there is none
			_ = f.Close()
		}
	}
	return nil
}

// writeFile makes a file durable, in one step.
func writeFile(file string, data []byte) error {
	return zones.Replace(zones.Directory(filepath.Dir(file)), filepath.Base(file), data)
}

func syncDir(dir string) error { return zones.Directory(dir).Sync() }

func missing(err error) bool { return errors.Is(err, os.ErrNotExist) }
