package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// As many farm modules as can be installed fit a heartbeat, and no two look alike there.
func TestRoomForFarms(t *testing.T) {
	var farms []string
	s := newDigests()
	var b []byte
	for len(farms) < 2*heartbeat.MaxDigest { // it ends before
		name := fmt.Sprintf("farm%d", len(farms))
		if err := roomFor(name, farms); err != nil {
			if !strings.Contains(err.Error(), name+" would be one farm module too many") {
				t.Errorf("refused: %v", err)
			}
			break
		}
		farms = append(farms, name)
		b = s.own(name, share.Digest{Present: true})
	}
	if len(farms) < 32 || len(b) > heartbeat.MaxDigest || len(b) != len(farms)*digestSize {
		t.Errorf("%d farms take %d bytes of %d", len(farms), len(b), heartbeat.MaxDigest)
	}
	// A pair of names with one FNV-1a hash of 32 bits.
	if err := roomFor("liquid", []string{"web", "costarring"}); err == nil || !strings.Contains(err.Error(), "cannot be told from costarring") {
		t.Errorf("a name that looks like another: %v", err)
	}
	if err := roomFor("liquid", []string{"web"}); err != nil {
		t.Error(err)
	}
}
