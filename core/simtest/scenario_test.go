package simtest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Each file in testdata is a story of one module on one node, in testdata/pair of
// a mirror on two. After a change of behaviour
// run `go test ./core/simtest -rewrite` and review the difference line by line.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s interface {
			Do(cmd string, words []string, text string) (string, error)
		} = &Scenario{}
		if strings.Contains(filepath.ToSlash(path), "/pair/") {
			s = &PairScenario{}
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			words := make([]string, 0, len(d.CmdArgs))
			for _, a := range d.CmdArgs {
				words = append(words, a.Key)
			}
			out, err := s.Do(d.Cmd, words, d.Input)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			return out
		})
	})
}
