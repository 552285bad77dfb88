package daemon

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// What two nodes write at once is put together; what has ended by itself goes.
func TestAccessLists(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	token := func(id string, life time.Duration) accessList {
		return accessList{Tokens: map[string]control.TokenInfo{id: {ID: id, Expires: now.Add(life)}}}
	}
	ended := func(id string, life time.Duration) accessList {
		return accessList{Ended: map[string]time.Time{id: now.Add(life)}}
	}
	a := token("a", time.Hour).and(token("b", time.Hour), now)
	b := token("a", time.Hour).and(ended("a", time.Hour), now)
	sum := a.and(b, now)
	if len(sum.Tokens) != 1 || sum.Tokens["b"].ID != "b" || len(sum.Ended) != 1 {
		t.Errorf("together %+v", sum)
	}
	for what, c := range map[string]struct {
		stored, known accessList
		want          bool
	}{
		"a token that was lost": {b, a, true}, "an end that was lost": {a, b, true}, "all is there": {sum, sum, false},
		"a token that was withdrawn meanwhile": {b, token("a", time.Hour), false}, "one that has ended": {accessList{}, token("c", -time.Second), false},
	} {
		if got := c.stored.lacks(c.known.and(accessList{}, now), now); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
	if later := sum.and(accessList{}, now.Add(2*time.Hour)); len(later.Tokens)+len(later.Ended) != 0 {
		t.Errorf("later %+v", later)
	}
}

// A token is listed until it is withdrawn; what another node wrote over comes back.
func TestTokensAreWithdrawn(t *testing.T) {
	d, _ := alone(t)
	d.sessions = control.NewSessions(func() string { return "secret" })
	ctx := t.Context()
	give := func(user string) control.AccessToken {
		t.Helper()
		k, err := d.Access(ctx, "root", control.AccessRequest{User: user, TTL: control.Duration(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	listed := func(want ...string) {
		t.Helper()
		all, err := d.Tokens(ctx)
		var users []string
		for _, k := range all {
			users = append(users, k.User)
		}
		if err != nil || len(users) != len(want) {
			t.Fatalf("listed are %v, want %v: %v", users, want, err)
		}
		for i := range want {
			if users[i] != want[i] {
				t.Errorf("listed are %v, want %v", users, want)
			}
		}
	}
	a, b, c := give("a"), give("b"), give("c")
	listed("a", "b", "c")
	for _, which := range []string{a.ID[:20], b.Token} { // by the beginning of the id, by the token
		if _, err := d.Withdraw(ctx, "root", which); err != nil {
			t.Errorf("withdraw: %v", err)
		}
	}
	listed("c")
	for _, which := range []string{"", a.ID, b.Token, "nonsense"} {
		if _, err := d.Withdraw(ctx, "root", which); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("withdraw %q: %v", excerptOf(which), err)
		}
	}
	for _, k := range []control.AccessToken{a, b} {
		if _, _, ok := d.sessions.Identify(k.Token); ok {
			t.Errorf("the token of %s is still good", k.User)
		}
	}
	// Another node, which knew nothing of all that, writes at the same time, and later.
	other, err := json.Marshal(accessList{Ended: map[string]time.Time{"x": time.Now().Add(time.Hour)}})
	if err == nil {
		_, err = d.member.catalog.Put(accessItem, other, nil, "n2")
	}
	if err != nil {
		t.Fatal(err)
	}
	d.member.takeAccess()
	stored, err := d.member.storedAccess()
	if err != nil || len(stored.Ended) != 3 || len(stored.Tokens) != 1 {
		t.Errorf("stored is %+v: %v", stored, err)
	}
	// The next daemon.
	d.sessions = control.NewSessions(func() string { return "secret" })
	d.member.access = accessList{}
	d.member.takeAccess()
	listed("c")
	if _, _, ok := d.sessions.Identify(a.Token); ok {
		t.Error("after a restart a token that was withdrawn is good")
	}
	if _, _, ok := d.sessions.Identify(c.Token); !ok {
		t.Error("after a restart another token is not good")
	}
}
