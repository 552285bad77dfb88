package accept_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// TestStartsAnswerOnce: while daemons start, all together and one after the other, a
// farm answers each echo request, SYN and datagram once. STARTS=20 looks longer.
func TestStartsAnswerOnce(t *testing.T) {
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("STARTS")); err == nil {
		rounds = n
	}
	for _, mode := range []string{"vmac_invisible", "vmac_directed"} {
		t.Run(mode, func(t *testing.T) {
			s := wide(t, "accst"+mode[5:6], mode)
			p := s.pings(t)
			c := map[string]*traffic{
				"ipv4": s.clientOf(t, vip, load.Config{Rate: 100, Doubles: true}),
				"udp":  s.clientOf(t, vip, load.Config{Rate: 100, UDP: true}),
			}
			for range rounds {
				for _, nodes := range [][]string{{"n2"}, {"n1"}, {"n1", "n3"}, everybody} {
					s.fault(t, lab.Kill, false, nodes...)
					s.fault(t, lab.Heal, false, nodes...)
					s.whole(t, everybody...)
				}
			}
			for name, one := range c {
				if r := one.stop(t); r.New.Twice() > 0 {
					t.Errorf("%s: %d requests were answered twice, %d of them by one server: %+v", name, r.New.Twice(), r.New.Repeated, r.New.Doubles)
				}
			}
			p.once(t)
		})
	}
}

// pings ask without end, from several addresses.
type pings struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	said   []string
	sent   int
}

func (s *stage) pings(t *testing.T) *pings {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &pings{cancel: cancel}
	t.Cleanup(func() { cancel(); p.done.Wait() })
	for i := range 12 {
		p.done.Go(func() {
			out := &echoes{p: p, from: i}
			_ = lab.Exec(ctx, s.root, s.name, lab.Client, // ends with ctx
				[]string{tool(t, "ping"), "-D", "-n", "-I", lab.ClientAddress(i).String(), "-i", "0.02", vip}, lab.Stdio{Out: out, Err: out})
		})
	}
	return p
}

// echoes takes what a ping says.
type echoes struct {
	p    *pings
	from int
	rest string
}

func (e *echoes) Write(b []byte) (int, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	rows := strings.SplitAfter(e.rest+string(b), "\n")
	e.rest = rows[len(rows)-1]
	for _, row := range rows[:len(rows)-1] {
		e.p.sent++
		if strings.Contains(row, "DUP!") {
			e.p.said = append(e.p.said, fmt.Sprintf("%d: %s", e.from, row))
		}
	}
	return len(b), nil
}

// once ends them: no request was answered twice.
func (p *pings) once(t *testing.T) {
	t.Helper()
	p.cancel()
	p.done.Wait()
	if p.sent < 100 {
		t.Errorf("only %d answers came", p.sent)
	}
	if len(p.said) > 0 {
		t.Errorf("%d of %d echo requests were answered twice:\n%s", len(p.said), p.sent, strings.Join(p.said[:min(20, len(p.said))], ""))
	}
	t.Logf("%d answers", p.sent)
}
