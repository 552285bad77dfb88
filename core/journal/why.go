package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Chain answers an entry and what led to it, the newest first, down to the
// first cause or to where older entries are no longer kept. The error is
// ErrNoEntry if there is no entry id.
func (j *Journal) Chain(ctx context.Context, id int64) ([]Entry, error) {
	_ = j.Flush() // as in Query
	var chain []Entry
	for id > 0 {
		e, err := j.entry(ctx, id)
		if errors.Is(err, ErrNoEntry) && len(chain) > 0 {
			return chain, nil
		}
		if err != nil {
			return nil, err
		}
		chain = append(chain, e)
		if e.Cause >= id { // nothing is caused by what comes later
			return chain, nil
		}
		id = e.Cause
	}
	return chain, nil
}

// changes are the kinds of entries that Why looks for.
var changes = []string{"transition", "share", "member", "config"}

// Why answers the chain of the last change of a module's state or share; of the
// whole node if module is empty. The error is ErrNoEntry if there was none.
func (j *Journal) Why(ctx context.Context, module string) ([]Entry, error) {
	last, err := j.Query(ctx, Filter{Module: module, Kinds: changes, Level: "info", Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(last) == 0 {
		return nil, fmt.Errorf("no change of %s is in the journal: %w", module, ErrNoEntry)
	}
	return j.Chain(ctx, last[0].ID)
}

// Tell writes a chain for people: what happened last, then line by line what
// led to it, with local times. What only repeats the line before is left out.
func Tell(chain []Entry) string {
	var b strings.Builder
	said, indent := "", ""
	for i, e := range chain {
		text := sentence(e)
		if i > 0 && e.Level == "debug" || text == said {
			continue
		}
		at := e.Time.Local().Format("15:04:05.000")
		if i == 0 || !sameDay(e, chain[0]) {
			at = e.Time.Local().Format("2006-01-02 15:04:05.000")
		}
		if i > 0 {
			text = "because: " + text
		}
		fmt.Fprintf(&b, "%s%s (%s)\n", indent, text, at)
		said, indent = sentence(e), "  "
	}
	return b.String()
}

func sentence(e Entry) string {
	if e.Node != "" {
		return e.Node + ": " + e.Text
	}
	return e.Text
}

func sameDay(a, b Entry) bool {
	return a.Time.Local().Format("2006-01-02") == b.Time.Local().Format("2006-01-02")
}
