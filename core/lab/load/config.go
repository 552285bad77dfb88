// Package load is the lab's client: an open-loop generator of HTTP connections,
// or of datagrams, that measures what a client sees while servers fail.
//
// New connections start on schedule, whatever became of the earlier ones, each
// with one GET and a short time-out. A time-out below one second means that a
// SYN which got lost is never counted as a late success, because TCP repeats it
// after one second (RFC 6298). Long-lived connections do a small GET at an
// interval and show whether a fail-over breaks what is established.
//
// With UDP an attempt is one datagram from a port of its own; the answer is a line
// with the server's name, and the request. What comes after the first answer is
// counted as an answer too many. In TCP a socket never shows that two servers
// answered its SYN; a look at the packets does (see witness).
//
// The length of an outage is the start of the last failed attempt, less the
// start of the first, plus the interval between two attempts.
package load

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Config says what load is made. The zero value of every field but Target is
// usable, but Rate and Connections must not both be 0.
type Config struct {
	Target netip.AddrPort // where the service is
	Path   string         // what is asked for; "/"

	// UDP sends datagrams of Size bytes instead of making connections.
	UDP  bool
	Size int // 64, at most 60000; more than the MTU goes in fragments
	// Doubles looks for SYNs that were answered by two servers. It reads packets,
	// which needs CAP_NET_RAW. With UDP answers are counted in any case.
	Doubles bool

	Rate     int           // new connections per second; 0 makes none
	Timeout  time.Duration // for connection and answer together; 250 ms, below 1 s
	InFlight int           // new connections at a time; 512. Beyond it attempts are not made, and counted

	Connections int           // long-lived ones
	Interval    time.Duration // between the requests on one of them; 500 ms
	Patience    time.Duration // how long one waits for an answer before it counts as broken; 5 s
	// Reopen spreads the connections that replace broken ones: each comes at a random
	// time up to it after the break. 0 is 100 ms for all, a storm when a server ends.
	Reopen time.Duration

	Duration time.Duration // 0: until the context ends
	Every    time.Duration // between samples; 250 ms

	// Separator is the number of successes in a row that ends an outage; 50. It has
	// to be well above the number of nodes: while one of them is lost, the
	// others go on answering.
	Separator int

	// Sources are the client's addresses, taken in turn; none leaves the choice to
	// the kernel.
	Sources []netip.Addr
	// Namespace is the path of the network namespace in which the client lives;
	// empty is the caller's own.
	Namespace string
}

func (c Config) complete() (Config, error) {
	c.Size = cmp.Or(c.Size, 64)
	c.Path = cmp.Or(c.Path, "/")
	c.Timeout = cmp.Or(c.Timeout, 250*time.Millisecond)
	c.InFlight = cmp.Or(c.InFlight, 512)
	c.Interval = cmp.Or(c.Interval, 500*time.Millisecond)
	c.Patience = cmp.Or(c.Patience, 5*time.Second)
	c.Every = cmp.Or(c.Every, 250*time.Millisecond)
	c.Separator = cmp.Or(c.Separator, 50)
	return c, c.check()
}

func (c Config) check() error {
	if !c.Target.IsValid() || c.Target.Port() == 0 {
		return fmt.Errorf("load target %q: give an address and a port, such as 10.77.0.100:80", c.Target)
	}
	if c.Rate < 0 || c.Rate > 20000 {
		return fmt.Errorf("%d new connections per second: use 0 to 20000", c.Rate)
	}
	if c.Connections < 0 || c.Connections > 20000 {
		return fmt.Errorf("%d long-lived connections: use 0 to 20000", c.Connections)
	}
	if c.Rate == 0 && c.Connections == 0 {
		return errors.New("nothing to do: give a rate of new connections, or a number of long-lived ones")
	}
	if c.Timeout < time.Millisecond || c.Timeout >= time.Second {
		return fmt.Errorf("time-out %s: use 1ms to 999ms, so that a repeated SYN does not hide an outage", c.Timeout)
	}
	if c.Interval < time.Millisecond || c.Patience < c.Timeout || c.Every < 10*time.Millisecond || c.InFlight < 1 || c.Separator < 1 || c.Duration < 0 || c.Reopen < 0 {
		return errors.New("load settings: interval at least 1ms, patience at least the time-out, samples at most every 10ms, the rest positive")
	}
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, " \r\n") {
		return fmt.Errorf("path %q must begin with / and have no blanks", c.Path)
	}
	if c.Size < minSize || c.Size > 60000 {
		return fmt.Errorf("datagrams of %d bytes: use %d to 60000", c.Size, minSize)
	}
	for _, source := range c.Sources {
		if source.Is4() != c.Target.Addr().Is4() {
			return fmt.Errorf("source %s and target %s are of different IP versions", source, c.Target)
		}
	}
	return nil
}

// minSize has room for the number of a datagram.
const minSize = 21

// datagram is a request: a line with a number that no other has, and dots.
func (c Config) datagram(number int64) []byte {
	b := bytes.Repeat([]byte{'.'}, c.Size)
	copy(b, strconv.FormatInt(number, 10)+"\n")
	return b
}

func (c Config) request(keep bool) []byte {
	connection := "close"
	if keep {
		connection = "keep-alive"
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: orchestrator-lab\r\nConnection: %s\r\n\r\n",
		c.Path, c.Target, connection)
}
