package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// How a client writes: a row each interval, each with a connection of its own, whatever
// became of the earlier ones.
const (
	pgInterval = 20 * time.Millisecond
	pgTimeout  = 500 * time.Millisecond
)

// wrote is one line of a writer's output.
type wrote struct {
	N  int  `json:"n"`
	OK bool `json:"ok"` // acknowledged
}

// pgWriter writes rows to the server at an address until its standard input ends.
func pgWriter(args []string) {
	detach()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var out sync.Mutex
	lines := json.NewEncoder(os.Stdout)
	tick := time.NewTicker(pgInterval)
	defer tick.Stop()
	var all sync.WaitGroup
	for n := 0; ctx.Err() == nil; n++ {
		all.Go(func() {
			err := pgExecute(args[0], fmt.Sprintf("insert into rows values (%d)", n))
			out.Lock()
			defer out.Unlock()
			_ = lines.Encode(wrote{n, err == nil}) // the reader has gone if not
		})
		<-tick.C
	}
	all.Wait()
}

// pgExecute runs one statement over a connection of its own: the three messages of
// PostgreSQL's protocol (3.0, "Message Formats") that it takes where every client is
// trusted. A whole driver would be more to build than there is to say.
func pgExecute(address, sql string) error {
	end := time.Now().Add(pgTimeout)
	conn, err := (&net.Dialer{Deadline: end}).Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(end); err != nil {
		return err
	}
	hello := append(binary.BigEndian.AppendUint32(nil, 3<<16), "user\x00postgres\x00database\x00postgres\x00\x00"...)
	if _, err := conn.Write(pgMessage(0, hello)); err != nil {
		return err
	}
	if err := pgReady(conn); err != nil {
		return err
	}
	if _, err := conn.Write(pgMessage('Q', append([]byte(sql), 0))); err != nil {
		return err
	}
	return pgReady(conn)
}

// pgMessage has a kind, but for the first one, and its length.
func pgMessage(kind byte, body []byte) []byte {
	var b []byte
	if kind != 0 {
		b = append(b, kind)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(body)+4)), body...)
}

// pgReady reads until the server is ready for a statement; it fails if it tells of an
// error.
func pgReady(conn io.Reader) error {
	var failed error
	for {
		var head [5]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(head[1:])
		if size < 4 || size > 1<<20 {
			return errors.New("no answer of PostgreSQL")
		}
		body := make([]byte, size-4)
		if _, err := io.ReadFull(conn, body); err != nil {
			return err
		}
		switch {
		case head[0] == 'E':
			failed = fmt.Errorf("PostgreSQL refuses: %q", body)
			return failed
		case head[0] == 'R' && binary.BigEndian.Uint32(append(body, 0, 0, 0, 0)) != 0:
			return errors.New("PostgreSQL asks for a password")
		case head[0] == 'Z':
			return failed
		}
	}
}

// pgClient is a writer at work in the lab's client.
type pgClient struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	rows   []wrote // in the order of their ends
	failed error
}

func (r *rig) pgClient(ctx context.Context) (*pgClient, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	inner, cancel := context.WithCancel(ctx)
	c := &pgClient{}
	in, hold := io.Pipe()
	c.cancel = func() { hold.Close() }
	c.done.Go(func() {
		defer cancel()
		err := lab.Exec(inner, r.b.root, labName, lab.Client, []string{self, "pgwriter", net.JoinHostPort(lab.SuggestedVIP, "5432")},
			lab.Stdio{In: in, Out: &lines{each: c.hear}, Err: os.Stderr})
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed = err
	})
	context.AfterFunc(ctx, c.cancel)
	return c, nil
}

func (c *pgClient) hear(line []byte) {
	var w wrote
	if json.Unmarshal(line, &w) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, w)
}

// well says that in the last second all rows were acknowledged.
func (c *pgClient) well() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := int(time.Second / pgInterval)
	return len(c.rows) >= n && !slices.ContainsFunc(c.rows[len(c.rows)-n:], func(w wrote) bool { return !w.OK })
}

// end stops the client and answers how long rows were not acknowledged, in ms: from the
// first to the last that was not, and one interval.
func (c *pgClient) end() (outage float64, acknowledged []int, err error) {
	c.cancel()
	c.done.Wait()
	first, last := -1, -1
	slices.SortFunc(c.rows, func(a, b wrote) int { return a.N - b.N })
	for _, w := range c.rows {
		switch {
		case w.OK:
			acknowledged = append(acknowledged, w.N)
		case first < 0:
			first, last = w.N, w.N
		default:
			last = w.N
		}
	}
	if first < 0 {
		return 0, acknowledged, c.failed
	}
	return float64((time.Duration(last-first+1) * pgInterval).Milliseconds()), acknowledged, c.failed
}
