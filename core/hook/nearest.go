package hook

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// didYouMean is "; did you mean X?" if a known name is close to the given one,
// else empty.
func didYouMean(name string, known []string) string {
	if n := diag.Nearest(name, known); n != "" {
		return fmt.Sprintf("; did you mean %s?", n)
	}
	return ""
}
