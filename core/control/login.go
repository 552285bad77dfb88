package control

import (
	"errors"
	"net/http"
	"time"
)

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
	s.say(Admin, "POST /v1/token", func(by string, r *http.Request) (any, error) {
		q, err := body[AccessRequest](r)
		if err != nil {
			return nil, err
		}
		return s.b.Console.Access(r.Context(), by, q)
	})
	s.mux.HandleFunc("GET /v1/tokens", s.guard(Admin, func(w http.ResponseWriter, r *http.Request) {
		all, err := s.b.Console.Tokens(r.Context())
		s.answer(w, all, err)
	}))
	s.write(Admin, "DELETE /v1/tokens/{which}", func(by string, r *http.Request) (any, error) {
		return s.b.Console.Withdraw(r.Context(), by, r.PathValue("which"))
	})
	s.mux.HandleFunc("POST /v1/login", s.login)
	s.mux.HandleFunc("POST /v1/login/elsewhere", s.handover)
	s.mux.HandleFunc("GET /v1/login", func(w http.ResponseWriter, r *http.Request) {
		if c, ok := s.admit(w, r, Monitor); ok {
			g, _ := s.b.Sessions.of(r)
			s.send(w, http.StatusOK, Session{User: c.Name, Role: c.Role, Expires: g.Until})
		}
	})
	s.mux.HandleFunc("DELETE /v1/login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, cookie("", 0))
		var err error
		if g, ok := s.b.Sessions.of(r); ok { // all that came of it is good for no longer than a first session
			until := s.b.Sessions.now().Add(SessionLife)
			s.b.Sessions.End(map[string]time.Time{g.login(): until})
			err = s.b.Console.LoggedOut(r.Context(), g.caller(host(r)), g.login(), until)
		}
		s.answer(w, Outcome{Text: "logged out"}, err)
	})
}

// login opens a session for an invitation, or for another token.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	s.hurry(w)
	q, err := body[struct {
		Token string `json:"token"`
	}](r)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	g, ok := s.b.Sessions.admitted(r, q.Token, s.who)
	if !ok {
		if n := s.b.Sessions.refuse(); n > 0 {
			s.b.Console.Refused(host(r), n)
		}
		s.send(w, http.StatusUnauthorized, failure{Error: errLogin.Error()})
		return
	}
	life := SessionLife
	if left := g.Until.Sub(s.b.Sessions.now()); g.Kind != kindInvitation {
		life = min(life, left) // it opens nothing for longer than it is good itself
	}
	value, until, err := s.b.Sessions.sign(kindSession, g, life)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	http.SetCookie(w, cookie(value, life))
	c := g.caller(host(r))
	s.b.Console.Entered(c)
	s.send(w, http.StatusOK, Session{User: c.Name, Role: c.Role, Expires: until})
}

// handover makes a token with which the owner of a session can log in to the console of
// each other server: browsers keep what they have from one from the others.
func (s *server) handover(w http.ResponseWriter, r *http.Request) {
	g, ok := s.b.Sessions.of(r)
	if !ok {
		s.send(w, http.StatusUnauthorized, failure{Error: errLogin.Error()})
		return
	}
	token, until, err := s.b.Sessions.sign(kindHandover, g, g.Until.Sub(s.b.Sessions.now()))
	s.answer(w, AccessToken{Token: token, User: g.User, Role: g.Role, Expires: until}, err)
}

var errLogin = errors.New("this link or token is not, or no longer, good: each link is good for one login within ten minutes; type on this server: orchestrator console")
