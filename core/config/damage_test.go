package config

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
	"time"
)

// Documents that were damaged at random must not make the reader panic, and give
// a module exactly if nothing is refused.
func TestDamagedDocuments(t *testing.T) {
	cases := slices.Concat(corpus(t, "testdata/good/*.txtar"), corpus(t, "testdata/bad/*.txtar"))
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		c := cases[random.IntN(len(cases))]
		original, err := fs.ReadFile(c.fs(), userconfig)
		if err != nil {
			continue // a case of a missing document
		}
		document := damage(random, original)
		defer func() {
			if r := recover(); r != nil {
				t.Fatalf("SEED=%d: %v in\n%s", seed, r, document)
			}
		}()
		options := c.options
		m, ps := Parse(fstest.MapFS{userconfig: {Data: document}}, "web", options)
		_ = ps.Error()
		if (m == nil) != ps.Refused() {
			t.Fatalf("SEED=%d: module %t, refused %t:\n%s", seed, m != nil, ps.Refused(), document)
		}
		if m != nil {
			m.Core()
		}
	}
}

func damage(random *rand.Rand, document []byte) []byte {
	out := slices.Clone(document)
	for range 1 + random.IntN(6) {
		if len(out) == 0 {
			break
		}
		at, n := random.IntN(len(out)), random.IntN(40)
		piece := slices.Clone(out[at:min(at+n, len(out))])
		switch random.IntN(4) {
		case 0:
			out = slices.Delete(out, at, at+len(piece))
		case 1:
			out = slices.Insert(out, random.IntN(len(out)), piece...)
		case 2:
			out[at] = byte(random.IntN(256))
		case 3:
			tokens := []string{"<", ">", "\"", "/>", "</x>", "%A%", "&", "<![CDATA[", "]]>", " x=\"1\"", "0", "-1", "*"}
			out = slices.Insert(out, at, []byte(tokens[random.IntN(len(tokens))])...)
		}
	}
	return out
}
