package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	end kind = iota
	word
	mark // punctuation
	bad
)

// token is a piece of the text with its place, in bytes.
type token struct {
	kind     kind
	text     string
	from, to int
}

// marks are tried in this order.
var marks = []string{"&&", "||", "==", "!=", "!", "(", ")", ":", ";", "=", ".", "*", "?"}

// lex cuts a text into tokens; comments and spaces fall away. An open comment
// is a bad token up to the end.
func lex(text string) []token {
	var all []token
	for at := 0; at < len(text); {
		rest := text[at:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case unicode.IsSpace(r):
			at += size
			continue
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return append(all, token{bad, "/*", at, at + 2}, token{kind: end, from: len(text), to: len(text)})
			}
			at += n + 4
			continue
		}
		t := token{kind: bad, text: string(r), from: at, to: at + size}
		if n := wordLength(rest); n > 0 {
			t = token{word, rest[:n], at, at + n}
		} else {
			for _, m := range marks {
				if strings.HasPrefix(rest, m) {
					t = token{mark, m, at, at + len(m)}
					break
				}
			}
		}
		all = append(all, t)
		at = t.to
	}
	return append(all, token{kind: end, from: len(text), to: len(text)})
}

// wordLength is the length of the name that a text begins with. Ids are often
// addresses or names of hosts, so - and, within, . belong to them where the
// parser asks for it; here only letters, digits, _ and -.
func wordLength(text string) int {
	for i, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && (r != '-' || i == 0) {
			return i
		}
	}
	return len(text)
}
