package pki

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

const (
	secretSize   = 16
	checksumSize = 3
	tokenVersion = 0x4d // any value; its bits fix the first letter of a token
)

// Base32 in lower case: no '-' that a command line would take for an option,
// and a double click selects all of it.
var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ErrToken says that a text is not a join token.
var ErrToken = errors.New("this is not a join token: copy the whole text that 'cluster token' printed")

// Token is a read join token: where to join, and the right to.
type Token struct {
	Authority Fingerprint
	Secret    []byte
}

func (t Token) encode() string {
	b := append([]byte{tokenVersion}, t.Authority[:]...)
	b = append(b, t.Secret...)
	sum := sha256.Sum256(b)
	return tokenText.EncodeToString(append(b, sum[:checksumSize]...))
}

// ParseToken reads the text of a token. A text that was cut or mistyped is
// refused with ErrToken.
func ParseToken(text string) (Token, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	b, err := tokenText.DecodeString(text)
	if err != nil || len(b) != 1+sha256.Size+secretSize+checksumSize || b[0] != tokenVersion {
		return Token{}, fmt.Errorf("read the join token: %w", ErrToken)
	}
	body := b[:len(b)-checksumSize]
	sum := sha256.Sum256(body)
	if string(sum[:checksumSize]) != string(b[len(body):]) {
		return Token{}, fmt.Errorf("read the join token: %w", ErrToken)
	}
	t := Token{Secret: body[1+sha256.Size:]}
	copy(t.Authority[:], body[1:])
	return t, nil
}
