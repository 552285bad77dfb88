package pki

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestParseToken(t *testing.T) {
	id, dir := create(t)
	tokens, _ := id.OpenTokens(dir)
	text, _, err := tokens.Issue(0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseToken("  " + strings.ToUpper(text) + "\n")
	if err != nil || got.Authority != id.Fingerprint() {
		t.Fatal(got, err)
	}
	wrong := []string{"", "hello", text[1:], text[:len(text)-1], text + "a"}
	for i := range text {
		c := "a"
		if text[i] == 'a' {
			c = "b"
		}
		wrong = append(wrong, text[:i]+c+text[i+1:])
	}
	for _, w := range wrong {
		if got, err := ParseToken(w); !errors.Is(err, ErrToken) && got.encode() != text {
			t.Errorf("%q was taken for a token: %v", w, err)
		}
	}
}

func TestTokenLife(t *testing.T) {
	id, dir := create(t)
	tokens, _ := id.OpenTokens(dir)
	now := time.Now()
	tokens.now = func() time.Time { return now }
	text, end, _ := tokens.Issue(time.Minute)
	if !end.Equal(now.Add(time.Minute)) {
		t.Errorf("ends at %v", end)
	}
	tok, _ := ParseToken(text)
	raw, _ := os.ReadFile(filepath.Join(dir, fileTokens))
	if strings.Contains(string(raw), text) || strings.Contains(string(raw), string(tok.Secret)) {
		t.Error("the token is stored readable")
	}
	now = now.Add(time.Minute)
	if err := tokens.Redeem(tok.Secret); !errors.Is(err, &JoinError{Code: CodeTokenExpired}) {
		t.Errorf("expired token: %v", err)
	}
	now = now.Add(tokenMemory + time.Minute)
	if _, _, err := tokens.Issue(0); err != nil {
		t.Fatal(err)
	}
	if err := tokens.Redeem(tok.Secret); !errors.Is(err, &JoinError{Code: CodeTokenUnknown}) {
		t.Errorf("forgotten token: %v", err)
	}
}

func TestRedeemOnce(t *testing.T) {
	id, dir := create(t)
	tokens, _ := id.OpenTokens(dir)
	text, _, _ := tokens.Issue(0)
	tok, _ := ParseToken(text)
	var good, used atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			switch err := tokens.Redeem(tok.Secret); {
			case err == nil:
				good.Add(1)
			case errors.Is(err, &JoinError{Code: CodeTokenUsed}):
				used.Add(1)
			}
		})
	}
	wg.Wait()
	if good.Load() != 1 || used.Load() != 15 {
		t.Errorf("%d succeeded, %d were told that it is used", good.Load(), used.Load())
	}
	again, err := id.OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Redeem(tok.Secret); !errors.Is(err, &JoinError{Code: CodeTokenUsed}) {
		t.Errorf("after a restart: %v", err)
	}
	if err := again.Restore(tok.Secret); err != nil {
		t.Fatal(err)
	}
	if err := again.Redeem(tok.Secret); err != nil {
		t.Errorf("after Restore: %v", err)
	}
}

func TestDamagedTokens(t *testing.T) {
	id, dir := create(t)
	path := filepath.Join(dir, fileTokens)
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := id.OpenTokens(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}
