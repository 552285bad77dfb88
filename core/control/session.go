package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
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

// Console invites people into the web console.
type Console interface {
	// Invite makes a link that is good for one login.
	Invite(ctx context.Context, by string, r InviteRequest) (Invitation, error)
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

// Session is a login as its owner sees it.
type Session struct {
	User    string    `json:"user"`
	Role    Role      `json:"role"`
	Expires time.Time `json:"expires,omitzero"` // absent: the login is in each request
}

// grant is what an invitation or a session is for.
type grant struct {
	user  string
	role  Role
	until time.Time
}

// Sessions are the invitations and logins of one node, in memory: a restart ends
// them all. Only hashes are kept of what opens them.
type Sessions struct {
	now func() time.Time

	mu      sync.Mutex
	invited map[[sha256.Size]byte]grant
	open    map[[sha256.Size]byte]grant
	refused int       // logins since they were last told
	told    time.Time // when that was
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

// NewSessions begins without any.
func NewSessions() *Sessions {
	s := &Sessions{now: time.Now}
	s.Clear()
	return s
}

// Clear ends all sessions and invitations.
func (s *Sessions) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invited, s.open = map[[sha256.Size]byte]grant{}, map[[sha256.Size]byte]grant{}
}

// Invite makes a token that is good for one login.
func (s *Sessions) Invite(user string, role Role) (string, time.Time) {
	return s.grant(func() map[[sha256.Size]byte]grant { return s.invited }, user, role, InvitationLife)
}

func (s *Sessions) grant(list func() map[[sha256.Size]byte]grant, user string, role Role, life time.Duration) (string, time.Time) {
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	g := grant{user, role, s.now().Add(life)}
	list()[sha256.Sum256([]byte(token))] = g
	return token, g.until
}

// purge forgets what has ended. mu is held.
func (s *Sessions) purge() {
	for _, list := range []map[[sha256.Size]byte]grant{s.invited, s.open} {
		for key, g := range list {
			if !s.now().Before(g.until) {
				delete(list, key)
			}
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

// of finds the session of a request.
func (s *Sessions) of(r *http.Request) (grant, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return grant{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.open[sha256.Sum256([]byte(c.Value))]
	return g, ok && s.now().Before(g.until)
}

// end ends the session of a request.
func (s *Sessions) end(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, sha256.Sum256([]byte(c.Value)))
	}
}

// Or takes the caller from the session of the request, or, where there is none, from
// other.
func (s *Sessions) Or(other Who) Who {
	return func(r *http.Request) (Caller, error) {
		if g, ok := s.of(r); ok {
			return Caller{g.user + " from " + host(r), g.role}, nil
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

// cookie is the one that opens a session, or with an empty value forgets it.
func cookie(value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(life / time.Second)}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// sessionRoutes serve what a browser needs to log in and out.
func (s *server) sessionRoutes() {
	s.say(Admin, "POST /v1/console", func(by string, r *http.Request) (any, error) {
		q, err := body[InviteRequest](r)
		if err != nil {
			return nil, err
		}
		if q.Role == 0 {
			q.Role = Admin
		}
		return s.b.Console.Invite(r.Context(), by, q)
	})
	s.mux.HandleFunc("POST /v1/login", s.login)
	s.mux.HandleFunc("GET /v1/login", func(w http.ResponseWriter, r *http.Request) {
		if c, ok := s.admit(w, r, Monitor); ok {
			g, _ := s.b.Sessions.of(r)
			s.send(w, http.StatusOK, Session{User: c.Name, Role: c.Role, Expires: g.until})
		}
	})
	s.mux.HandleFunc("DELETE /v1/login", func(w http.ResponseWriter, r *http.Request) {
		s.b.Sessions.end(r)
		http.SetCookie(w, cookie("", 0))
		s.send(w, http.StatusOK, Outcome{Text: "logged out"})
	})
}

// login opens a session for an invitation, or for the admin token.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	q, err := body[struct {
		Token string `json:"token"`
	}](r)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	g, ok := s.b.Sessions.redeem(q.Token)
	if !ok {
		bare := r.Clone(r.Context())
		bare.Header = http.Header{"Authorization": {"Bearer " + q.Token}}
		if _, err := s.who(bare); err != nil || q.Token == "" {
			if n := s.b.Sessions.refuse(); n > 0 {
				s.b.Console.Refused(host(r), n)
			}
			s.send(w, http.StatusUnauthorized, failure{Error: errLogin.Error()})
			return
		}
		g = grant{user: Admin.String(), role: Admin}
	}
	value, until := s.b.Sessions.grant(func() map[[sha256.Size]byte]grant { return s.b.Sessions.open }, g.user, g.role, SessionLife)
	http.SetCookie(w, cookie(value, SessionLife))
	c := Caller{fmt.Sprintf("%s from %s", g.user, host(r)), g.role}
	s.b.Console.Entered(c)
	s.send(w, http.StatusOK, Session{User: c.Name, Role: c.Role, Expires: until})
}

var errLogin = errors.New("this link or token is not, or no longer, good: each link is good for one login within ten minutes; type on this server: orchestrator console")
