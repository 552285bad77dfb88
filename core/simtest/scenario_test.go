package simtest

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Each file in testdata is a story of one module. After a change of behaviour
// run `go test ./core/simtest -rewrite` and review the difference line by line.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s Scenario
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
