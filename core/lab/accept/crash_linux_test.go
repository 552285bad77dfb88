package accept_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx dies under a daemon that lives: it is restarted three times, then the
// module stops there and says why; the others serve all the time.
func TestNginxCrash(t *testing.T) {
	s := nginxFarm(t, "acccrash")
	c := s.client(t, rate, 0)
	const node = "n2"
	for i := 1; i <= 3; i++ {
		before, _ := c.now()
		old := s.crash(t, node)
		eventually(t, fmt.Sprintf("nginx runs again after crash %d", i), func() string {
			n := s.status(t, "n1", s.module)[node]
			now := s.nginx(t, node)
			if len(now) == 0 || now[0] == old || n.State != "UP" || n.Phase != "Ready" || n.Share == 0 {
				return fmt.Sprintf("%+v, processes %v", n, now)
			}
			return ""
		})
		_, now := c.watch(t, time.Second)
		t.Logf("crash %d: %d connections failed: %+v", i, now.New.Failed-before.New.Failed, now.New.Outages)
	}
	journal := s.do(t, node, "log", s.module)
	if n := strings.Count(journal, "Hook stop_both took"); n < 3 {
		t.Errorf("stop_both ran %d times, not 3:\n%s", n, journal)
	}
	if n := strings.Count(journal, "Hook start_both took"); n < 4 {
		t.Errorf("start_both ran %d times, not 4:\n%s", n, journal)
	}

	s.crash(t, node)
	eventually(t, "the module stops after the fourth crash", func() string {
		if n := s.status(t, "n1", s.module)[node]; n.State != "STOP" || !strings.Contains(n.Reason, "after 3 automatic restarts") || n.Share != 0 {
			return fmt.Sprintf("%+v", n)
		}
		return ""
	})
	why := s.do(t, node, "why", s.module)
	t.Logf("why on %s:\n%s", node, why)
	for _, phrase := range []string{"after 3 automatic restarts", "nginx", "because:"} {
		if !strings.Contains(why, phrase) {
			t.Errorf("why does not say %q", phrase)
		}
	}
	others := without(node)
	s.whole(t, others...)
	c.watch(t, time.Second)
	from, to := c.watch(t, 2*time.Second)
	c.flawless(t, "without "+node, from, to)
	c.equal(t, from, to, 0.1, others...)

	s.do(t, "n1", "start", s.module) // the others are up already
	s.whole(t, everybody...)
	_, now := c.watch(t, time.Second)
	c.flawless(t, "start by hand", to, now)
	c.stop(t)
}

// nginx lists a node's nginx processes, the first of them first.
func (s *stage) nginx(t *testing.T, node string) []int {
	t.Helper()
	return s.processesOf(t, node, "nginx: ")
}

// crash kills all of a node's nginx and answers the first one's number.
func (s *stage) crash(t *testing.T, node string) int {
	t.Helper()
	pids := s.nginx(t, node)
	if len(pids) == 0 {
		t.Fatalf("no nginx runs on %s", node)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	return pids[0]
}
