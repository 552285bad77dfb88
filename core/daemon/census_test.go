package daemon

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever asks all the time, counts a hundredth of it.
func TestCensus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c census
		counted := 0
		count := func() (map[string][]uint32, error) {
			counted++
			time.Sleep(50 * time.Millisecond)
			return map[string][]uint32{"web": {1, 0, uint32(counted)}, "dns": {0}}, nil
		}
		for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
			got, err := c.ask(count)
			if err != nil || got["web"] != 1+counted || got["dns"] != 0 {
				t.Fatalf("after %d counts it answers %v, %v", counted, got, err)
			}
		}
		if counted != 12 {
			t.Errorf("counted %d times in a minute, each taking 50 ms", counted)
		}
		// What failed is not remembered.
		c = census{}
		if _, err := c.ask(func() (map[string][]uint32, error) { return nil, errors.New("busy") }); err == nil {
			t.Error("a failure is hidden")
		}
		if got, err := c.ask(count); err != nil || got["web"] == 0 {
			t.Errorf("after a failure: %v, %v", got, err)
		}
	})
}
