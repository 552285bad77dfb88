package resync

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// What is sent in one piece may be more than what the limit allows at once, and takes its
// time all the same.
func TestLimit(t *testing.T) {
	for _, limit := range []int{64 << 10, 1 << 20, 100 << 20} {
		synctest.Test(t, func(t *testing.T) {
			s := NewSource(-1, nil, Options{Limit: rate.NewLimiter(rate.Limit(limit), 64<<10)})
			begin := time.Now()
			for range 50 {
				if err := s.allow(t.Context(), chunk); err != nil {
					t.Fatal(err)
				}
			}
			want := time.Duration(float64(50*chunk-64<<10) / float64(limit) * float64(time.Second))
			if took := time.Since(begin); took < want*9/10 || took > want*11/10 {
				t.Errorf("50 MiB at %d bytes a second took %s, not %s", limit, took, want)
			}
		})
	}
}
