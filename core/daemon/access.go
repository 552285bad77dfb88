package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// accessItem is what all nodes have to know of tokens and logins, in the catalog.
const accessItem = "access"

// accessList is that. It only grows, but for what has ended by itself: so what two nodes
// write at once can be put together.
type accessList struct {
	Tokens map[string]control.TokenInfo `json:"tokens,omitempty"` // that were given out, by id
	Ended  map[string]time.Time         `json:"ended,omitempty"`  // tokens that were withdrawn and logins that were ended, by id: until when each would have been good
}

// and is both lists together, without what has ended by itself.
func (a accessList) and(b accessList, now time.Time) accessList {
	sum := accessList{map[string]control.TokenInfo{}, map[string]time.Time{}}
	for _, l := range []accessList{a, b} {
		maps.Copy(sum.Tokens, l.Tokens)
		maps.Copy(sum.Ended, l.Ended)
	}
	maps.DeleteFunc(sum.Ended, func(_ string, until time.Time) bool { return !now.Before(until) })
	maps.DeleteFunc(sum.Tokens, func(id string, t control.TokenInfo) bool {
		_, ended := sum.Ended[id]
		return ended || !now.Before(t.Expires)
	})
	return sum
}

// lacks says that something of b, which holds at that time, is not in a.
func (a accessList) lacks(b accessList, now time.Time) bool {
	for id := range b.Ended {
		if _, ok := a.Ended[id]; !ok {
			return true
		}
	}
	for id := range b.and(a, now).Tokens {
		if _, ok := a.Tokens[id]; !ok {
			return true
		}
	}
	return false
}

// storedAccess is what the catalog has.
func (m *member) storedAccess() (l accessList, err error) {
	item, err := m.catalog.Get(accessItem)
	if errors.Is(err, catalog.ErrNotFound) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(item.Content, &l)
	}
	if err != nil {
		return l, fmt.Errorf("read which tokens and logins are good: %w", err)
	}
	return l, nil
}

// takeAccess takes over what the catalog has. What this node knows beside is put back: another
// one wrote at the same time.
func (m *member) takeAccess() {
	stored, err := m.storedAccess()
	if err != nil {
		m.log.Error("take over tokens and logins", "error", err)
		return
	}
	m.accessing.Lock()
	defer m.accessing.Unlock()
	now := time.Now()
	m.access = m.access.and(stored, now)
	m.d.sessions.End(m.access.Ended)
	if stored.lacks(m.access, now) {
		if err := m.storeAccess("merge"); err != nil {
			m.log.Error("put tokens and logins together", "error", err)
		}
	}
}

// addAccess tells all nodes of tokens and of what has ended.
func (m *member) addAccess(by string, more accessList) error {
	stored, err := m.storedAccess()
	if err != nil {
		return err
	}
	m.accessing.Lock()
	defer m.accessing.Unlock()
	now := time.Now()
	m.access = m.access.and(stored, now).and(more, now)
	m.d.sessions.End(m.access.Ended)
	return m.storeAccess(by)
}

// storeAccess writes what this node knows into the catalog. accessing is held.
func (m *member) storeAccess(by string) error {
	content, err := json.Marshal(m.access)
	if err == nil {
		_, err = m.catalog.Put(accessItem, content, nil, by)
	}
	return err
}

// Tokens lists the tokens that are good.
func (d *Daemon) Tokens(context.Context) ([]control.TokenInfo, error) {
	m := d.current()
	if m == nil {
		return nil, errNoCluster
	}
	m.accessing.Lock()
	defer m.accessing.Unlock()
	all := slices.SortedFunc(maps.Values(m.access.and(accessList{}, time.Now()).Tokens), func(a, b control.TokenInfo) int {
		return cmp.Or(strings.Compare(a.User, b.User), a.Given.Compare(b.Given), strings.Compare(a.ID, b.ID))
	})
	return append([]control.TokenInfo{}, all...), nil
}

// Withdraw ends a token on all nodes.
func (d *Daemon) Withdraw(ctx context.Context, by, which string) (control.Outcome, error) {
	all, err := d.Tokens(ctx)
	if err != nil {
		return control.Outcome{}, err
	}
	text := "the token is withdrawn"
	id, until, ok := d.sessions.Identify(which)
	if !ok {
		found := slices.DeleteFunc(all, func(t control.TokenInfo) bool { return which == "" || !strings.HasPrefix(t.ID, which) })
		switch len(found) {
		case 1:
			id, until, text = found[0].ID, found[0].Expires, fmt.Sprintf("the token %s of %s is withdrawn", found[0].ID, found[0].User)
		case 0:
			return control.Outcome{}, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("there is no token %q that is good: orchestrator token list shows them; one that was given out before there were ids is withdrawn by its text", excerptOf(which))}
		default:
			return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%q begins the ids of %d tokens: write more of it", which, len(found))}
		}
	}
	if err := d.current().addAccess(by, accessList{Ended: map[string]time.Time{id: until}}); err != nil {
		return control.Outcome{}, err
	}
	return control.Outcome{Text: text}, nil
}

// excerptOf is enough of a text to know it again, and not all of what may be a secret.
func excerptOf(text string) string {
	if len(text) > 26 {
		return text[:8] + "…"
	}
	return text
}

// LoggedOut ends what comes from a login to the console on all nodes.
func (d *Daemon) LoggedOut(_ context.Context, c control.Caller, login string, until time.Time) error {
	m := d.current()
	if m == nil {
		return errNoCluster
	}
	d.note("command", "info", fmt.Sprintf("%s logs out of the console.", c.Name), map[string]any{"by": c.Name}, 0)
	return m.addAccess(c.Name, accessList{Ended: map[string]time.Time{login: until}})
}
