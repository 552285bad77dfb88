package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// version is kept in the file's user_version.
const version = 1

const schema = `
CREATE TABLE IF NOT EXISTS entries (
	id     INTEGER PRIMARY KEY,
	time   INTEGER NOT NULL, -- ns since 1970
	module TEXT NOT NULL,
	node   TEXT NOT NULL,
	kind   TEXT NOT NULL,
	level  TEXT NOT NULL,
	text   TEXT NOT NULL,
	data   TEXT,             -- JSON
	cause  INTEGER NOT NULL  -- id, 0 is none
);
CREATE INDEX IF NOT EXISTS entries_module ON entries (module, id);
PRAGMA user_version = 1;`

// errDamaged marks a file that is no database any more.
var errDamaged = errors.New("the journal is damaged")

// Open opens the journal at path, or begins one. A damaged file is moved aside,
// and the new journal's first entry says so. clock may be nil.
func Open(path string, limits Limits, clock func() time.Time) (*Journal, error) {
	if clock == nil {
		clock = time.Now
	}
	if limits.Rows <= 0 {
		limits.Rows = 200_000
	}
	if limits.Age <= 0 {
		limits.Age = 90 * 24 * time.Hour
	}
	db, last, err := open(path)
	if !errors.Is(err, errDamaged) {
		if err != nil {
			return nil, err
		}
		return begin(db, path, limits, clock, last), nil
	}
	aside, moveErr := moveAside(path, clock())
	if moveErr != nil {
		return nil, fmt.Errorf("%w, and moving it aside failed: %w", err, moveErr)
	}
	db, last, newErr := open(path)
	if newErr != nil {
		return nil, fmt.Errorf("begin a new journal in place of a damaged one: %w", newErr)
	}
	j := begin(db, path, limits, clock, last)
	_, appendErr := j.Append(Entry{Kind: "journal", Level: "error", Data: map[string]any{"moved_to": aside, "error": err.Error()},
		Text: fmt.Sprintf("A new journal is begun, because the one before cannot be read (%v); it was moved to %s.", err, aside)})
	if appendErr != nil {
		return nil, errors.Join(appendErr, j.Close())
	}
	return j, nil
}

func begin(db *sql.DB, path string, limits Limits, clock func() time.Time, last int64) *Journal {
	j := &Journal{
		db: db, path: path, limits: limits, clock: clock, last: last, written: purgeEvery,
		changed: make(chan struct{}), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go j.write()
	return j
}

// open answers the database and its last ID.
func open(path string) (*sql.DB, int64, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite itself would make it readable for all
	if err != nil {
		return nil, 0, fmt.Errorf("open the journal: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, 0, fmt.Errorf("open the journal: %w", err)
	}
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, 0, fmt.Errorf("open the journal %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	last, err := prepare(db)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the journal %s: %w", path, classify(err)), db.Close())
	}
	return db, last, nil
}

func prepare(db *sql.DB) (last int64, err error) {
	var check string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&check); err != nil {
		return 0, err
	}
	if check != "ok" {
		return 0, fmt.Errorf("%w: %s", errDamaged, check)
	}
	var has int
	if err := db.QueryRow("PRAGMA user_version").Scan(&has); err != nil {
		return 0, err
	}
	if has > version {
		return 0, fmt.Errorf("its format %d is newer than this program knows (%d): use the newer program, or move the file away", has, version)
	}
	if _, err := db.Exec(schema); err != nil {
		return 0, err
	}
	err = db.QueryRow("SELECT coalesce(max(id), 0) FROM entries").Scan(&last)
	return last, err
}

// classify marks the errors by which SQLite says that a file is beyond use.
func classify(err error) error {
	if e := new(sqlite.Error); errors.As(err, &e) {
		switch e.Code() & 0xff { // the primary part of an extended code
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return err
}

// moveAside renames the file and what SQLite keeps beside it.
func moveAside(path string, now time.Time) (string, error) {
	aside := fmt.Sprintf("%s.damaged-%s", path, now.UTC().Format("20060102T150405.000"))
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	for _, tail := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+tail, aside+tail); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return filepath.Base(aside), nil
}

// insert writes a batch in one transaction.
func (j *Journal) insert(batch []row) (err error) {
	tx, err := j.db.Begin()
	if err != nil {
		return fmt.Errorf("write to the journal %s: %w", j.path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write to the journal %s: %w", j.path, err), tx.Rollback())
		}
	}()
	put, err := tx.Prepare("INSERT INTO entries (id, time, module, node, kind, level, text, data, cause) VALUES (?,?,?,?,?,?,?,?,?)")
	if err != nil {
		return err
	}
	defer put.Close()
	for _, r := range batch {
		if _, err := put.Exec(r.ID, r.Time.UnixNano(), r.Module, r.Node, r.Kind, r.Level, r.Text, r.data, r.Cause); err != nil {
			return err
		}
	}
	if j.written += len(batch); j.written >= purgeEvery {
		j.written = 0
		if err := j.purge(tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// purge forgets what is beyond the limits, but never the newest entry, so that
// numbers are not given twice.
func (j *Journal) purge(tx *sql.Tx) error {
	_, err := tx.Exec(`DELETE FROM entries WHERE id <= (SELECT max(id) FROM entries) - ?1
		OR (time < ?2 AND id < (SELECT max(id) FROM entries))`,
		j.limits.Rows, j.clock().Add(-j.limits.Age).UnixNano())
	return err
}
