package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Filter chooses entries; a zero field does not restrict.
type Filter struct {
	Module string
	Since  time.Time // at or after
	Kinds  []string  // any of these
	Level  string    // this or more serious: debug, info, warn, error
	Grep   string    // part of the text, in any case of ASCII letters
	Also   []string  // with Grep: entries of these kinds whatever their text
	After  int64     // IDs above this
	Limit  int       // with After the oldest, else the newest so many; 0 is all
}

var levels = []string{"debug", "info", "warn", "error"}

// where writes the filter as SQL.
func (f Filter) where() (string, []any) {
	terms, args := []string{"id > ?"}, []any{f.After}
	add := func(term string, a ...any) {
		terms = append(terms, term)
		args = append(args, a...)
	}
	if f.Module != "" {
		add("module = ?", f.Module)
	}
	if !f.Since.IsZero() {
		add("time >= ?", f.Since.UnixNano())
	}
	if f.Grep != "" {
		also, args := oneOf("kind", f.Also)
		add("(instr(lower(text), lower(?)) > 0"+also+")", append([]any{f.Grep}, args...)...)
	}
	in := func(column string, values []string) {
		term, args := oneOf(column, values)
		add(strings.TrimPrefix(term, " OR "), args...)
	}
	if len(f.Kinds) > 0 {
		in("kind", f.Kinds)
	}
	for i, l := range levels {
		if l == f.Level && i > 0 {
			in("level", levels[i:])
		}
	}
	return strings.Join(terms, " AND "), args
}

// oneOf is the term that a column has one of some values, after an OR; empty without
// values.
func oneOf(column string, values []string) (string, []any) {
	if len(values) == 0 {
		return "", nil
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return " OR " + column + " IN (?" + strings.Repeat(",?", len(values)-1) + ")", args
}

const columns = "id, time, module, node, kind, level, text, data, cause"

// Query answers entries in ascending order of ID, including all that were
// appended before the call.
func (j *Journal) Query(ctx context.Context, f Filter) ([]Entry, error) {
	_ = j.Flush() // while the disk refuses new entries the old ones can be read; see Health
	where, args := f.where()
	order := "ASC"
	if f.Limit > 0 && f.After == 0 {
		order = "DESC"
	}
	q := "SELECT " + columns + " FROM entries WHERE " + where + " ORDER BY id " + order
	if f.Limit > 0 {
		q += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	rows, err := j.db.QueryContext(ctx, "SELECT * FROM ("+q+") ORDER BY id", args...)
	if err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", j.path, err)
	}
	return j.all(rows)
}

// all reads entries to the end.
func (j *Journal) all(rows *sql.Rows) ([]Entry, error) {
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		e, err := scan(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read the journal %s: %w", j.path, err)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", j.path, err)
	}
	return out, nil
}

func scan(into func(...any) error) (Entry, error) {
	var e Entry
	var at int64
	var data sql.NullString
	if err := into(&e.ID, &at, &e.Module, &e.Node, &e.Kind, &e.Level, &e.Text, &data, &e.Cause); err != nil {
		return e, err
	}
	e.Time = time.Unix(0, at)
	if data.Valid {
		if err := json.Unmarshal([]byte(data.String), &e.Data); err != nil {
			return e, fmt.Errorf("entry %d: %w", e.ID, err)
		}
	}
	return e, nil
}

// followPage limits what Follow holds in memory at a time.
const followPage = 500

// Follow gives see every entry that matches, beginning after f.After, and then
// each new one soon after it was appended, until ctx ends, the journal closes
// or see answers an error, which Follow answers. Limit is ignored. A slow see
// delays, but loses nothing.
func (j *Journal) Follow(ctx context.Context, f Filter, see func(Entry) error) error {
	f.Limit = followPage
	if f.After == 0 {
		f.After = -1 // the oldest first
	}
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		page, err := j.Query(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := see(e); err != nil {
				return err
			}
			f.After = e.ID
		}
		if len(page) == followPage {
			continue
		}
		select {
		case <-changed:
		case <-j.stop:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Last answers the number of the newest entry, 0 if there is none: what to
// follow from to see only what is new.
func (j *Journal) Last() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// ErrNoEntry is answered for an entry that does not exist, or not any more.
var ErrNoEntry = errors.New("no such journal entry")

func (j *Journal) entry(ctx context.Context, id int64) (Entry, error) {
	e, err := scan(j.db.QueryRowContext(ctx, "SELECT "+columns+" FROM entries WHERE id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return e, fmt.Errorf("entry %d: %w", id, ErrNoEntry)
	}
	if err != nil {
		return e, fmt.Errorf("read entry %d of the journal %s: %w", id, j.path, err)
	}
	return e, nil
}
