package pki

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// DefaultTokenLife is how long a join token is good if nothing is said.
	DefaultTokenLife = time.Hour
	// tokenMemory is how long an ended token is remembered, so that whoever
	// still comes with it hears why it is refused.
	tokenMemory = 7 * 24 * time.Hour
)

// issued is a token at rest. The secret is not kept: its hash is the key. A
// plain SHA-256 is enough, as the secret is random and long.
type issued struct {
	Expires time.Time  `json:"expires"`
	Used    *time.Time `json:"used,omitempty"`
}

// Tokens keeps the join tokens that were issued on this node. They are good on
// this node only, which is what makes "once" certain without asking others. It
// may be used by several goroutines, but by one process at a time.
type Tokens struct {
	path      string
	authority Fingerprint
	now       func() time.Time

	mu   sync.Mutex
	list map[string]issued // by hex SHA-256 of the secret
}

// OpenTokens reads the tokens in dir. Tokens that ended long ago are forgotten.
func (id *Identity) OpenTokens(dir string) (*Tokens, error) {
	t := &Tokens{
		path:      filepath.Join(dir, fileTokens),
		authority: id.Fingerprint(),
		now:       time.Now,
		list:      map[string]issued{},
	}
	raw, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the join tokens: %w", err)
	}
	if err := json.Unmarshal(raw, &t.list); err != nil {
		return nil, fmt.Errorf("read the join tokens in %s (delete the file to go on; tokens not yet used are then void): %w", t.path, err)
	}
	return t, nil
}

// Issue makes a token that is good for one join within ttl (0: the default of
// one hour) and returns its text and its end.
func (t *Tokens) Issue(ttl time.Duration) (string, time.Time, error) {
	if ttl == 0 {
		ttl = DefaultTokenLife
	}
	if ttl < 0 {
		return "", time.Time{}, fmt.Errorf("issue a join token: its life %s is negative", ttl)
	}
	secret := random(secretSize)
	t.mu.Lock()
	defer t.mu.Unlock()
	end := t.now().Add(ttl)
	t.list[hashed(secret)] = issued{Expires: end}
	if err := t.save(); err != nil {
		delete(t.list, hashed(secret))
		return "", time.Time{}, fmt.Errorf("issue a join token: %w", err)
	}
	return Token{Authority: t.authority, Secret: secret}.encode(), end, nil
}

// Redeem uses a token up. Of any number of calls with the same secret exactly
// one succeeds; the others, and all after the end of its life, get a *JoinError
// that says why. The use is on disk when Redeem returns.
func (t *Tokens) Redeem(secret []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := hashed(secret)
	e, known := t.list[h]
	now := t.now()
	switch {
	case !known:
		return joinError(CodeTokenUnknown, "this node has issued no such join token: join through the node on which 'cluster token' was run, or make a new one here")
	case e.Used != nil:
		return joinError(CodeTokenUsed, "this join token was used at %s: each token is good for one node; make a new one with 'cluster token'", e.Used.Format(time.DateTime))
	case !now.Before(e.Expires):
		return joinError(CodeTokenExpired, "this join token expired at %s: make a new one with 'cluster token'", e.Expires.Format(time.DateTime))
	}
	e.Used = &now
	t.list[h] = e
	if err := t.save(); err != nil {
		e.Used = nil
		t.list[h] = e
		return fmt.Errorf("note the use of a join token: %w", err)
	}
	return nil
}

// Restore makes a redeemed token good again: for a join that came to nothing
// through no fault of the token.
func (t *Tokens) Restore(secret []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := hashed(secret)
	e, known := t.list[h]
	if !known || e.Used == nil {
		return nil
	}
	used := e.Used
	e.Used = nil
	t.list[h] = e
	if err := t.save(); err != nil {
		e.Used = used
		t.list[h] = e
		return fmt.Errorf("give a join token back: %w", err)
	}
	return nil
}

func (t *Tokens) save() error {
	for h, e := range t.list {
		if t.now().Sub(e.Expires) > tokenMemory {
			delete(t.list, h)
		}
	}
	raw, err := json.MarshalIndent(t.list, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(t.path, raw)
}

func hashed(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}
