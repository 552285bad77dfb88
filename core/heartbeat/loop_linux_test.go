package heartbeat

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestThreeProcesses runs three real nodes on two networks through every kind
// of fault.
func TestThreeProcesses(t *testing.T) {
	l := newLab(t, 1000) // ms: more than a busy machine keeps one process waiting
	n := []*labNode{nil, l.start(1, 10), l.start(2, 10), l.start(3, 10)}
	for _, x := range n[1:] {
		for id := 1; id <= 3; id++ {
			if id != x.id {
				x.event(Up, n[id].nodeID())
			}
		}
	}
	forget := func() {
		for _, x := range n[1:] {
			x.forget()
		}
	}

	t.Log("a digest reaches all")
	n[3].send("digest table 5")
	for _, x := range n[1:3] {
		x.await("the digest", func(l line) bool {
			return l.Event != nil && l.Event.Kind == Digest && string(l.Event.Payload) == "table 5"
		})
	}

	t.Log("one of two networks cut")
	l.cable(3, 0, "down")
	awaitPath(n[1], 3, 0, false)
	awaitPath(n[1], 3, 1, true)
	l.cable(3, 0, "up")
	awaitPath(n[1], 3, 0, true)

	t.Log("process killed")
	forget()
	n[3].kill()
	for _, x := range n[1:3] {
		x.event(Suspect, 3, "its process is dead")
		e := x.event(Lost, 3, "no heartbeat for ", "on lan default (last seq ", "on lan backup (last seq ")
		if !e.ProcessDead || e.Host != HostAnswers || e.LeaseUntil > e.At {
			t.Errorf("node %d: %+v", x.id, e)
		}
	}

	t.Log("process back")
	forget()
	n[3] = l.start(3, 11)
	for _, x := range n[1:3] {
		if e := x.event(Up, 3); e.First || e.Incarnation != 11 {
			t.Errorf("node %d: %+v", x.id, e)
		}
	}
	n[3].event(Up, 1)
	n[3].event(Up, 2)

	t.Log("process stopped")
	forget()
	n[3].signal(syscall.SIGSTOP)
	for _, x := range n[1:3] {
		if e := x.event(Lost, 3, "its kernel answered a ping"); e.ProcessDead || e.Host != HostAnswers {
			t.Errorf("node %d: %+v", x.id, e)
		}
	}
	n[3].signal(syscall.SIGCONT)
	n[3].event(SelfLate, 0, "late")
	n[3].event(LeaseLapsed, 0)
	for _, x := range n[1:3] {
		x.event(Up, 3)
	}

	t.Log("all cables of a node cut")
	forget()
	l.cable(3, 0, "down")
	l.cable(3, 1, "down")
	for _, x := range n[1:3] {
		if e := x.event(Lost, 3, "its kernel answered none of"); e.ProcessDead || e.Host != HostSilent {
			t.Errorf("node %d: %+v", x.id, e)
		}
		x.event(HostGone, 3)
	}
	n[3].await("that it is isolated", func(l line) bool { return l.Event != nil && l.Event.Kind == Lost && l.Event.SelfIsolated })
	n[3].event(Lost, 1, "this node's own link on lan default is down", "this node's own link on lan backup is down")
	l.cable(3, 0, "up")
	l.cable(3, 1, "up")
	for _, x := range n[1:3] {
		x.event(Up, 3)
	}
	n[3].event(Up, 1)

	t.Log("networks changed while running")
	for _, x := range n[1:3] { // on the one that stays, too: a kernel asks for a neighbour once a second
		awaitPath(x, 3, 0, true)
	}
	for _, x := range n[1:] {
		x.send("shrink")
	}
	n[1].ask("status", "one network", func(l line) bool {
		return len(l.Status) == 2 && len(l.Status[0].Networks) == 1 && l.Status[1].Verdict == VerdictAlive
	})

	t.Log("goodbye")
	forget()
	n[3].send("close")
	for _, x := range n[1:3] {
		x.event(Goodbye, 3)
	}
}

// awaitPath waits until a node says whether it hears another one on a network,
// while it still calls it alive.
func awaitPath(n *labNode, peer, network int, heard bool) {
	n.t.Helper()
	n.forget()
	n.ask("status", "the state of a path", func(l line) bool {
		for _, p := range l.Status {
			if int(p.Node) == peer && p.Verdict == VerdictAlive && p.Networks[network].Heard == heard {
				return true
			}
		}
		return false
	})
}

func TestStartFailsWhereThePortIsTaken(t *testing.T) {
	o := Options{Self: 1, Incarnation: 1, Key: make([]byte, keyLen), Events: func(Event) {}, Networks: loopback(t)}
	h, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(o); err == nil {
		t.Error("a second heartbeat on the same port")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Error("second Close: ", err)
	}
	if err := h.SetNetworks(nil); err == nil {
		t.Error("SetNetworks after Close")
	}
	if err := h.SetDigest(make([]byte, MaxDigest+1)); err == nil {
		t.Error("too long a digest")
	}
}

// BenchmarkThreeNodes lets three nodes beat on two networks with the defaults and
// reports what one of them costs (its whole process) and what went wrong
// meanwhile. Each round is a second.
func BenchmarkThreeNodes(b *testing.B) {
	l := newLab(b, 100)
	var nodes []*labNode
	for id := 1; id <= 3; id++ {
		nodes = append(nodes, l.start(id, 10))
	}
	nodes[0].event(Up, 2)
	nodes[0].event(Up, 3)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	before, began := cpuTime(b, nodes[0].cmd.Process.Pid), time.Now()
	for b.Loop() {
		<-second.C
	}
	used := cpuTime(b, nodes[0].cmd.Process.Pid) - before
	b.ReportMetric(100*used.Seconds()/time.Since(began).Seconds(), "%cpu/node")
	count := map[Kind]int{}
	for _, n := range nodes {
		n.mu.Lock()
		for _, l := range n.lines {
			if l.Event != nil {
				count[l.Event.Kind]++
			}
		}
		n.mu.Unlock()
	}
	b.ReportMetric(float64(count[Lost]), "lost")
	b.ReportMetric(float64(count[SelfLate]), "stalls")
}

// cpuTime is the processor time that a process has used (proc(5), stat fields
// 14 and 15, in units of 10 ms).
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
