package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// said is one line of a memberlist node's output.
type said struct {
	Event string `json:"event"` // "join", "leave"
	Node  string `json:"node"`
}

// memberlistNode is a plain member with the defaults for a local network: NAME
// ADDRESS PEER... It writes a line for each event and lives until its standard
// input ends.
func memberlistNode(args []string) {
	detach()
	if err := memberlistRun(args[0], args[1], args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "memberlist:", err)
		os.Exit(1)
	}
}

func memberlistRun(name, address string, peers []string) error {
	out := &teller{json: json.NewEncoder(os.Stdout)}
	conf := memberlist.DefaultLANConfig()
	conf.Name, conf.BindAddr, conf.AdvertiseAddr = name, address, address
	conf.Events = out
	conf.Logger = log.New(io.Discard, "", 0)
	list, err := memberlist.Create(conf)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	for len(peers) > 0 {
		if n, _ := list.Join(peers); n == len(peers) {
			break
		}
		time.Sleep(200 * time.Millisecond) // the others start at the same time
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return list.Shutdown()
}

// teller writes events as lines.
type teller struct {
	mu   sync.Mutex
	json *json.Encoder
}

func (t *teller) tell(event string, n *memberlist.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.json.Encode(said{event, n.Name}) // the reader has gone if not
}

func (t *teller) NotifyJoin(n *memberlist.Node)  { t.tell("join", n) }
func (t *teller) NotifyLeave(n *memberlist.Node) { t.tell("leave", n) }
func (*teller) NotifyUpdate(*memberlist.Node)    {}

// list is a running memberlist beside the farm.
type memberlists struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	joins  int
	leaves int
	failed []error
}

// startMemberlists runs one member on each node and returns when all know all.
func (r *rig) startMemberlists(ctx context.Context) (*memberlists, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	inner, cancel := context.WithCancel(ctx)
	m := &memberlists{cancel: cancel}
	first := lab.NodeAddress(1).String()
	for i, node := range r.nodes {
		argv := []string{self, "memberlist", node, lab.NodeAddress(i + 1).String()}
		if i > 0 {
			argv = append(argv, first)
		}
		in, hold := io.Pipe()
		m.done.Go(func() {
			defer hold.Close()
			var problem strings.Builder
			err := lab.Exec(inner, r.b.root, labName, node, argv, lab.Stdio{In: in, Out: &lines{each: m.hear}, Err: &problem})
			if err != nil && inner.Err() == nil {
				m.fail(fmt.Errorf("memberlist on %s: %w: %s", node, err, problem.String()))
			}
		})
		context.AfterFunc(inner, func() { in.Close() })
	}
	all := len(r.nodes) * len(r.nodes) // each also hears of itself
	err = r.await(ctx, patience, "the memberlist nodes know each other", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.joins >= all || len(m.failed) > 0
	})
	if _, failed := m.counted(); err != nil || failed != nil {
		m.end()
		return nil, errors.Join(err, failed)
	}
	return m, nil
}

func (m *memberlists) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = append(m.failed, err)
}

func (m *memberlists) hear(line []byte) {
	var s said
	if json.Unmarshal(line, &s) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch s.Event {
	case "join":
		m.joins++
	case "leave":
		m.leaves++
	}
}

// counted are the verdicts about nodes that all lived, and what went wrong.
func (m *memberlists) counted() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaves, errors.Join(m.failed...)
}

func (m *memberlists) end() {
	m.cancel()
	m.done.Wait()
}

// lines cuts what is written to it into lines.
type lines struct {
	rest []byte
	each func(line []byte)
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := strings.IndexByte(string(l.rest), '\n')
		if i < 0 {
			return len(p), nil
		}
		l.each(l.rest[:i])
		l.rest = l.rest[i+1:]
	}
}
