package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// A filter that was started anew gets the table in force from beside the loop. If the next
// one comes just then, that is what the filter has in the end.
func TestTheNewestTableStays(t *testing.T) {
	done, inForce := make(chan struct{}), uint64(0)
	var s *sharing
	s = &sharing{
		module: "web", self: 1, log: quiet(), ctx: t.Context(), last: &share.Install{View: share.View{Epoch: 1}},
		ports: ports{setTable: func(_ context.Context, table sdk.FilterTable, _ string) error {
			if table.Epoch == 1 {
				go func() {
					defer close(done)
					s.carry(share.Install{View: share.View{Epoch: 2}}, 0)
				}()
				select { // it has all the time to come first
				case <-done:
				case <-time.After(200 * time.Millisecond):
				}
			}
			inForce = table.Epoch
			return nil
		}},
	}
	s.again()
	<-done
	if inForce != 2 {
		t.Errorf("table %d is in force, not the newest", inForce)
	}
}
