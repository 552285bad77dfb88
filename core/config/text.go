package config

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDocument is far above any real userconfig.xml, in bytes.
const maxDocument = 256 << 10

// toUTF8 decodes a document. Files written on Windows may be UTF-16 or in a
// Western code page; everything after this works on UTF-8.
func toUTF8(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return fromUTF16(b[2:], binary.BigEndian)
	}
	b = bytes.TrimPrefix(b, []byte{0xef, 0xbb, 0xbf})
	switch declared := declaredEncoding(b); declared {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		if at := firstInvalid(b); at >= 0 {
			return "", fmt.Errorf("line %d is not UTF-8", 1+bytes.Count(b[:at], []byte("\n")))
		}
		return string(b), nil
	case "iso-8859-1", "latin1":
		return fromLatin(b, ""), nil
	case "windows-1252", "cp1252":
		return fromLatin(b, windows1252), nil
	default:
		return "", fmt.Errorf("encoding %q is not known", declared)
	}
}

// declaredEncoding reads <?xml … encoding="…"?>, in small letters.
func declaredEncoding(b []byte) string {
	if !bytes.HasPrefix(b, []byte("<?xml")) {
		return ""
	}
	declaration, _, _ := bytes.Cut(b, []byte("?>"))
	m := regexp.MustCompile(`encoding\s*=\s*["']([^"']*)["']`).FindSubmatch(declaration)
	if m == nil {
		return ""
	}
	return strings.ToLower(string(m[1]))
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func fromUTF16(b []byte, order binary.ByteOrder) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("the file begins as UTF-16 but has half a character at its end")
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

// windows1252 are the characters 0x80 to 0x9f of that code page; the rest is
// ISO 8859-1.
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

func fromLatin(b []byte, high string) string {
	special := []rune(high)
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
		if c >= 0x80 && int(c)-0x80 < len(special) {
			out[i] = special[c-0x80]
		}
	}
	return string(out)
}
