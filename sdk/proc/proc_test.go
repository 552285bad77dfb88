package proc

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A process that hangs is waited for once; the others are answered, and it as well when it
// moves on.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		moves := make(chan struct{})
		ask := func(pid int) (int, error) {
			return Ask(pid, func() (int, error) {
				if asked.Add(1); pid < 0 {
					<-moves
				}
				return 2 * pid, nil
			})
		}
		begin := time.Now()
		for range 100 {
			if answer, err := ask(-1); !errors.Is(err, ErrHangs) {
				t.Errorf("it hangs, and the answer is %d, %v", answer, err)
			}
		}
		if took := time.Since(begin); took != Patience || asked.Load() != 1 {
			t.Errorf("asked %d times, waited for %s", asked.Load(), took)
		}
		if answer, err := ask(7); err != nil || answer != 14 {
			t.Errorf("%d, %v", answer, err)
		}
		begin = time.Now()
		for pid := -50; pid < -1; pid++ {
			ask(pid)
		}
		if took := time.Since(begin); took > 4*Patience {
			t.Errorf("waited for %s for 49 more that hang", took)
		}
		close(moves)
		synctest.Wait()
		if answer, err := ask(-1); err != nil || answer != -2 {
			t.Errorf("it moves on, and the answer is %d, %v", answer, err)
		}
		if len(hanging.of) > 0 {
			t.Errorf("%v hang", hanging.of)
		}
	})
}

// Two that ask about one process do not hinder each other.
func TestAskTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func() (int, error) { time.Sleep(Patience / 2); return 1, nil } // virtual
		go func() {
			if _, err := Ask(-1, slow); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(Patience / 4)
		if _, err := Ask(-1, slow); err != nil {
			t.Error(err)
		}
	})
}
