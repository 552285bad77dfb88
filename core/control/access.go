package control

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Role is what a caller may do; each may also what those below it may.
type Role int

const (
	Monitor  Role = iota + 1 // read
	Operator                 // and move modules between states
	Admin                    // and change what is installed, and the cluster
)

var roleNames = [...]string{Monitor: "monitor", Operator: "control", Admin: "admin"}

func (r Role) String() string {
	if r < Monitor || r > Admin {
		return fmt.Sprintf("Role(%d)", int(r))
	}
	return roleNames[r]
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role's name.
func (r *Role) UnmarshalText(text []byte) error {
	for i, name := range roleNames {
		if name != "" && name == string(text) {
			*r = Role(i)
			return nil
		}
	}
	return fmt.Errorf("there is no role %q: there are monitor, control and admin", text)
}

// Caller is who asks for something.
type Caller struct {
	Name string // and from where
	Role Role
}

// Who tells who sends a request, or refuses it: with ErrForbidden for good, with any
// other error until a login.
type Who func(*http.Request) (Caller, error)

// Local takes every caller of the unix socket for root: the file's mode has
// let them in.
func Local(r *http.Request) (Caller, error) {
	name := "root on this node"
	if user := r.Header.Get(userHeader); user != "" {
		name = user + ", " + name
	}
	return Caller{name, Admin}, nil
}

// userHeader tells who became root by sudo to call the command line. Root alone can
// say it, and so could do what it liked without.
const userHeader = "Orchestrator-User"

// Bearer asks for the token in the Authorization header (RFC 6750).
func Bearer(token func() string) Who {
	return func(r *http.Request) (Caller, error) {
		got, ok := bearer(r)
		want := token()
		if !ok || want == "" || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			return Caller{}, errors.New("a login is needed: send the header Authorization: Bearer TOKEN, with one that is given out by: orchestrator token. For the console, type on a server: orchestrator console")
		}
		return Caller{"admin from " + r.RemoteAddr, Admin}, nil
	}
}

// bearer is the token in the Authorization header.
func bearer(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// admit tells who sends a request if they may what needs the role.
func (s *server) admit(w http.ResponseWriter, r *http.Request, role Role) (Caller, bool) {
	c, err := s.who(r)
	if err == nil && c.Role < role {
		err = fmt.Errorf("%w: this takes the role %s; you have the role %s", ErrForbidden, role, c.Role)
	}
	switch {
	case err == nil:
		return c, true
	case errors.Is(err, ErrForbidden):
		s.answer(w, nil, err)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer")
		s.send(w, http.StatusUnauthorized, failure{Error: err.Error()})
	}
	return c, false
}

// secretName is in the names of macros whose values are secrets.
var secretName = regexp.MustCompile(`(?i)passw|passphrase|passcode|(^|[_.-])(pass|pwd|pw|psk)([_.-]|$)|secret|token|credential|(api|private|access|auth|encryption)_?key`)

// SecretName says that by its name a macro or a variable holds a secret: its value is for
// administrators alone, and not for a snapshot.
func SecretName(name string) bool { return secretName.MatchString(name) }

// hide answers settings as a role may see them.
func hide(role Role, set map[string]string) map[string]string {
	if role >= Admin || set == nil {
		return set
	}
	seen := map[string]string{}
	for name, value := range set {
		if SecretName(name) && value != "" {
			value = "(secret)"
		}
		seen[name] = value
	}
	return seen
}

// list serves what has settings of modules in it.
func list[T any](s *server, pattern string, call func(*http.Request) ([]T, error), set func(*T) *map[string]string) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, ok := s.admit(w, r, Monitor)
		if !ok {
			return
		}
		all, err := call(r)
		for i := range all {
			m := set(&all[i])
			*m = hide(c.Role, *m)
		}
		s.answer(w, all, err)
	})
}

// ownPages refuses what a page of another site has a browser send (cross-site
// request forgery). Programs send no Origin, and pass.
func (s *server) ownPages(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, nil, fmt.Errorf("%w: the request comes from a page of another site, %s", ErrForbidden, r.Header.Get("Origin")))
	}))
	own := p.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // what a browser is told is for who is logged in now
		w.Header().Set("X-Content-Type-Options", "nosniff")
		own.ServeHTTP(w, r)
	})
}
