package control

import (
	"cmp"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// grant is what an invitation, a session or a token is for.
type grant struct {
	Kind  kind      `json:"kind"`
	ID    string    `json:"id"`
	User  string    `json:"user"`
	Role  Role      `json:"role"`
	Until time.Time `json:"until"`

	Login string `json:"login,omitempty"` // the id of the session that this comes from, from console to console; empty: it is the first
	Token string `json:"token,omitempty"` // the id of the token that opened that; empty: none did
}

// login is the id of all sessions that come from one login.
func (g grant) login() string { return cmp.Or(g.Login, g.ID) }

// from has g end when what it comes from does.
func (g grant) from(origin grant) grant {
	switch origin.Kind {
	case kindToken:
		g.Token = origin.ID
	case kindSession:
		g.Login, g.Token = origin.login(), origin.Token
	case kindHandover:
		g.Login, g.Token = origin.Login, origin.Token
	case kindInvitation: // it is spent
	}
	return g
}

// kind keeps what is for one purpose from being used for another.
type kind string

const (
	kindInvitation kind = "invitation" // a link to the console, for one login; never signed
	kindSession    kind = "session"    // a browser's cookie
	kindHandover   kind = "handover"   // from the console of one server to those of others, once to each
	kindToken      kind = "token"      // of a program
)

// caller is who uses a grant, from an address.
func (g grant) caller(from string) Caller { return Caller{g.User + " from " + from, g.Role} }

// inText refuses what another text stands for, too.
var inText = base64.RawURLEncoding.Strict()

// seal signs a grant, so that every node that has the secret knows it for good: the
// grant in JSON and its HMAC with SHA-256 (RFC 2104), both in base64url. The text is no
// secret from its owner, who learns nothing new.
func seal(secret string, g grant) (string, error) {
	raw, err := json.Marshal(g)
	if err != nil {
		return "", err
	}
	sum, err := sealOf(secret, raw)
	if err != nil {
		return "", err
	}
	return inText.EncodeToString(raw) + "." + inText.EncodeToString(sum), nil
}

// unseal answers the grant of a text, if it was signed with the secret.
func unseal(secret, text string) (grant, bool) {
	first, second, _ := strings.Cut(text, ".")
	raw, err := inText.DecodeString(first)
	if err != nil {
		return grant{}, false
	}
	sum, err := inText.DecodeString(second)
	if err != nil {
		return grant{}, false
	}
	want, err := sealOf(secret, raw)
	if err != nil || !hmac.Equal(sum, want) {
		return grant{}, false
	}
	var g grant
	err = json.Unmarshal(raw, &g)
	return g, err == nil
}

// sealOf is the signature of a text. Its key is drawn from the secret (HKDF, RFC 5869),
// which is used for other things, too.
func sealOf(secret string, text []byte) ([]byte, error) {
	if secret == "" {
		return nil, fmt.Errorf("%w: this node has no admin token to sign with", ErrRefused)
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "orchestrator: logins of the API", sha256.Size)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil), nil
}

// newGrant is one that nobody had before.
func newGrant(k kind, user string, role Role, until time.Time) grant {
	return grant{Kind: k, ID: rand.Text(), User: user, Role: role, Until: until.Round(0)}
}
