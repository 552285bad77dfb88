package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// SessionLife is how long a login in a browser lasts, InvitationLife how long a
// link to log in with is good.
const (
	SessionLife    = 8 * time.Hour
	InvitationLife = 10 * time.Minute
)

// cookieName has the prefix with which browsers take the cookie only over TLS, for
// this host and all of its paths (RFC 6265bis, 4.1.3.2).
const cookieName = "__Host-orchestrator"

// Console lets people into the web console, and programs into the API.
type Console interface {
	// Invite makes a link that is good for one login.
	Invite(ctx context.Context, by string, r InviteRequest) (Invitation, error)
	// Access makes a token for a program.
	Access(ctx context.Context, by string, r AccessRequest) (AccessToken, error)
	// Tokens lists the tokens that were given out, are good, and were not withdrawn.
	Tokens(ctx context.Context) ([]TokenInfo, error)
	// Withdraw ends a token on all nodes. which is its id, the beginning of that, or the token.
	Withdraw(ctx context.Context, by, which string) (Outcome, error)
	// LoggedOut ends what comes from a login on all nodes.
	LoggedOut(ctx context.Context, c Caller, login string, until time.Time) error
	// Entered takes note of a login.
	Entered(c Caller)
	// Refused takes note of logins that failed since the last such note, the last of
	// them from an address.
	Refused(from string, times int)
}

// InviteRequest says who is invited, to do what.
type InviteRequest struct {
	User string `json:"user,omitempty"` // empty: the role's name
	Role Role   `json:"role,omitzero"`  // absent: admin
}

// Invitation is a link to the console that is good for one login.
type Invitation struct {
	URL         string    `json:"url"`
	Token       string    `json:"token"`
	User        string    `json:"user"`
	Role        Role      `json:"role"`
	Expires     time.Time `json:"expires"`
	Certificate string    `json:"certificate"` // SHA-256 fingerprint of what the server shows, in hexadecimal
}

// AccessRequest says who gets a token for the API, to do what, for how long.
type AccessRequest struct {
	User string   `json:"user,omitempty"` // empty: the role's name
	Role Role     `json:"role,omitzero"`  // absent: monitor
	TTL  Duration `json:"ttl"`
}

// AccessToken is what a program sends as "Authorization: Bearer TOKEN" (RFC 6750), to any
// node.
type AccessToken struct {
	ID      string    `json:"id"` // no secret: it names the token
	Token   string    `json:"token"`
	User    string    `json:"user"`
	Role    Role      `json:"role"`
	Expires time.Time `json:"expires"`
}

// TokenInfo is a token that was given out, without what it opens.
type TokenInfo struct {
	ID      string    `json:"id"`
	User    string    `json:"user"`
	Role    Role      `json:"role"`
	Expires time.Time `json:"expires"`
	Given   time.Time `json:"given"`
	By      string    `json:"by"` // who gave it out
}

// Session is a login as its owner sees it.
type Session struct {
	User    string    `json:"user"`
	Role    Role      `json:"role"`
	Expires time.Time `json:"expires,omitzero"` // absent: the login is in each request
}

// Sessions are what opens the API besides the admin token. Invitations are of one node, and
// in memory; sessions and tokens are signed, so that every node of the cluster takes them,
// also after a restart. Each can be ended, which is told to the others; they end all together
// when the nodes get another admin token.
type Sessions struct {
	secret func() string // the admin token, the same on all nodes; empty: nothing is signed
	now    func() time.Time

	mu      sync.Mutex
	invited map[[sha256.Size]byte]grant // by hashes of what opens them
	spent   map[string]time.Time        // ids of what was used up here, or ended, and until when it would have been good
	refused int                         // logins since they were last told
	told    time.Time                   // when that was
}

// refusedEvery limits how often refused logins are told: nobody shall fill the journal.
const refusedEvery = time.Minute

// refuse counts a login that failed, and answers how many are to be told now.
func (s *Sessions) refuse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	if !s.told.IsZero() && s.now().Sub(s.told) < refusedEvery {
		return 0
	}
	n := s.refused
	s.refused, s.told = 0, s.now()
	return n
}

// NewSessions begins without any. secret answers the admin token.
func NewSessions(secret func() string) *Sessions {
	s := &Sessions{secret: secret, now: time.Now}
	s.Clear()
	return s
}

// Clear forgets all invitations, and what was ended.
func (s *Sessions) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invited, s.spent = map[[sha256.Size]byte]grant{}, map[string]time.Time{}
}

// Invite makes a token that is good for one login, here.
func (s *Sessions) Invite(user string, role Role) (string, time.Time) {
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	g := newGrant(kindInvitation, user, role, s.now().Add(InvitationLife))
	s.invited[sha256.Sum256([]byte(token))] = g
	return token, g.Until
}

// Token makes a token for a program, good on every node for so long.
func (s *Sessions) Token(user string, role Role, life time.Duration) (AccessToken, error) {
	g := newGrant(kindToken, user, role, s.now().Add(life))
	text, err := seal(s.secret(), g)
	return AccessToken{g.ID, text, user, role, g.Until}, err
}

// sign makes a session, or what opens one on another node, of what it comes from.
func (s *Sessions) sign(k kind, origin grant, life time.Duration) (string, time.Time, error) {
	g := newGrant(k, origin.User, origin.Role, s.now().Add(life)).from(origin)
	text, err := seal(s.secret(), g)
	return text, g.Until, err
}

// Identify answers the id of a token, and until when it is good.
func (s *Sessions) Identify(token string) (id string, until time.Time, ok bool) {
	g, ok := s.signed(kindToken, token)
	return g.ID, g.Until, ok
}

// End ends tokens and logins, by their ids; until is when each would have ended by itself.
func (s *Sessions) End(until map[string]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.spent, until)
	s.purge()
}

// purge forgets what has ended. mu is held.
func (s *Sessions) purge() {
	for key, g := range s.invited {
		if !s.now().Before(g.Until) {
			delete(s.invited, key)
		}
	}
	for id, until := range s.spent {
		if !s.now().Before(until) {
			delete(s.spent, id)
		}
	}
}

// redeem uses an invitation up.
func (s *Sessions) redeem(token string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	key := sha256.Sum256([]byte(token))
	g, ok := s.invited[key]
	delete(s.invited, key)
	return g, ok
}

// signed is the grant of a text, if it is of this kind and good now.
func (s *Sessions) signed(k kind, text string) (grant, bool) {
	g, ok := unseal(s.secret(), text)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range []string{g.ID, g.Login, g.Token} {
		_, spent := s.spent[id]
		ok = ok && !spent
	}
	return g, ok && g.Kind == k && s.now().Before(g.Until)
}

// spend ends a grant on this node; false if that was done before.
func (s *Sessions) spend(g grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	_, before := s.spent[g.ID]
	s.spent[g.ID] = g.Until
	return !before
}

// of finds the session of a request.
func (s *Sessions) of(r *http.Request) (grant, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return grant{}, false
	}
	return s.signed(kindSession, c.Value)
}

// admitted is who may log in with a token of any kind, or with what other takes for one.
func (s *Sessions) admitted(r *http.Request, token string, other Who) (grant, bool) {
	if g, ok := s.redeem(token); ok {
		return g, true
	}
	if g, ok := s.signed(kindHandover, token); ok && s.spend(g) {
		return g, true
	}
	if g, ok := s.signed(kindToken, token); ok {
		return g, true
	}
	if token == "" {
		return grant{}, false
	}
	bare := r.Clone(r.Context())
	bare.Header, bare.TLS = http.Header{"Authorization": {"Bearer " + token}}, nil // the token alone counts
	c, err := other(bare)
	return newGrant(kindInvitation, c.Role.String(), c.Role, s.now().Add(SessionLife)), err == nil
}

// Or takes the caller from the session of the request, or its token, or, where there is
// none, from other.
func (s *Sessions) Or(other Who) Who {
	return func(r *http.Request) (Caller, error) {
		if g, ok := s.of(r); ok {
			return g.caller(host(r)), nil
		}
		if token, ok := bearer(r); ok {
			if g, ok := s.signed(kindToken, token); ok {
				return g.caller(host(r)), nil
			}
		}
		return other(r)
	}
}

// host is the address of the caller, without the port.
func host(r *http.Request) string {
	h, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return h
}
