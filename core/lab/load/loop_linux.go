package load

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// loop drives all connections from one thread: sockets belong to the thread's
// network namespace, and a thread that sleeps until the next event costs less
// than a goroutine for each connection.
type loop struct {
	cfg       Config
	once      []byte // request of an attempt
	keep      []byte // request on a long-lived connection
	epoll     int
	begin     time.Time
	conns     map[int]*exchange
	count     *counters
	queue     []*exchange // attempts by start; those that are over have fd -1
	flying    int
	seq       int64
	opens     int64 // of long-lived connections
	datagrams int64
	witness   *witness // nil: nobody looks for SYNs answered twice
	agenda    agenda
	buffer    []byte
	events    []unix.EpollEvent
	nextTell  time.Duration
	tell      func(Report)
	launching bool
}

func newLoop(cfg Config, tell func(Report)) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	l := &loop{
		cfg: cfg, once: cfg.request(false), keep: cfg.request(true), epoll: epoll, begin: time.Now(),
		conns: map[int]*exchange{}, count: newCounters(), tell: tell, nextTell: cfg.Every, launching: true,
		buffer: make([]byte, 64<<10), events: make([]unix.EpollEvent, 256),
	}
	if cfg.Doubles && !cfg.UDP {
		if l.witness, err = newWitness(cfg.Target, epoll); err != nil {
			_ = unix.Close(epoll)
			return nil, err
		}
	}
	for range cfg.Connections {
		// Spread over an interval, as clients are.
		heap.Push(&l.agenda, &session{due: rand.N(cfg.Interval)})
	}
	return l, nil
}

func (l *loop) now() time.Duration { return time.Since(l.begin) }

func (l *loop) run(ctx context.Context) (Report, error) {
	defer l.close()
	for {
		now := l.now()
		if l.launching && (ctx.Err() != nil || l.cfg.Duration > 0 && now >= l.cfg.Duration) {
			l.launching = false // those under way may end
		}
		if !l.launching && l.flying == 0 {
			return l.count.report(l.cfg, l.begin, now), nil
		}
		if err := l.turn(now); err != nil {
			return l.count.report(l.cfg, l.begin, now), err
		}
	}
}

// turn waits for the next event or time, and judges time-outs only when all that
// has arrived is read: a generator that was late must not blame the service.
func (l *loop) turn(now time.Duration) error {
	wait := min(max(0, l.next()-now), 20*time.Millisecond) // looks at the context that often
	timeout := int((wait + time.Millisecond - 1) / time.Millisecond)
	for {
		n, err := unix.EpollWait(l.epoll, l.events, timeout)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for connections: %w", err)
		}
		for i := range max(n, 0) {
			l.happened(int(l.events[i].Fd))
		}
		if n < len(l.events) {
			break
		}
		timeout = 0
	}
	now = l.now()
	l.expire(now)
	if l.launching {
		l.launch(now)
		l.attend(now)
	}
	if now >= l.nextTell {
		l.tell(l.count.report(l.cfg, l.begin, now))
		l.nextTell = now + l.cfg.Every
	}
	return nil
}

// next is when something is to be done without an event.
func (l *loop) next() time.Duration {
	at := l.nextTell
	if l.launching && l.cfg.Rate > 0 {
		at = min(at, l.schedule())
	}
	if l.launching && len(l.agenda) > 0 {
		at = min(at, l.agenda[0].due)
	}
	if len(l.queue) > 0 {
		at = min(at, l.queue[0].asked+l.cfg.Timeout)
	}
	return at
}

// schedule is when the next attempt is due.
func (l *loop) schedule() time.Duration {
	return time.Duration(l.seq) * time.Second / time.Duration(l.cfg.Rate)
}

func (l *loop) launch(now time.Duration) {
	if l.cfg.Rate == 0 {
		return
	}
	for l.schedule() <= now {
		l.count.late = max(l.count.late, now-l.schedule())
		x := &exchange{seq: l.seq, asked: l.now(), busy: true}
		l.seq++
		if l.flying >= l.cfg.InFlight {
			l.count.notSent++
			continue
		}
		l.count.attempts++
		if err := l.open(x); err != nil {
			l.count.failure(x.seq, x.asked, causeOf(err))
			continue
		}
		l.flying++
		l.queue = append(l.queue, x)
	}
}

// open begins an exchange's connection.
func (l *loop) open(x *exchange) error {
	fd, err := dial(l.cfg.Target, l.source(x.seq), l.cfg.UDP)
	if err != nil {
		return err
	}
	event := unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		abandon(fd)
		return err
	}
	x.fd = fd
	l.conns[fd] = x
	if !l.cfg.UDP {
		return nil
	}
	x.connected = true
	if err := l.ask(x); err != nil {
		l.drop(x)
		return err
	}
	return nil
}

// ask sends a request on an exchange that is connected.
func (l *loop) ask(x *exchange) error {
	if !l.cfg.UDP {
		return x.ask(l.keep)
	}
	l.datagrams++
	x.number = l.datagrams
	return x.ask(l.cfg.datagram(x.number))
}

func (l *loop) happened(fd int) {
	switch x := l.conns[fd]; {
	case l.witness != nil && fd == l.witness.fd:
		l.witness.read(l.buffer, l.now(), l.count)
	case x == nil: // dropped earlier in this turn
	case l.cfg.UDP:
		l.receive(x)
	default:
		l.handle(x)
	}
}

// drop ends an exchange's connection.
func (l *loop) drop(x *exchange) {
	delete(l.conns, x.fd)
	abandon(x.fd)
	x.fd = -1
}

func (l *loop) handle(x *exchange) {
	request := l.once
	if x.session != nil {
		request = l.keep
	}
	finished, ended, err := x.ready(request, l.buffer)
	if x.session != nil {
		l.handleSession(x.session, finished, ended, err)
		return
	}
	if !finished && !ended {
		return
	}
	l.flying--
	l.drop(x)
	if finished {
		l.count.success(x.answer.name(), l.now()-x.asked)
		return
	}
	l.count.failure(x.seq, x.asked, cause(err))
}

func (l *loop) handleSession(s *session, finished, ended bool, err error) {
	now := l.now()
	if finished && s.x.busy {
		l.answered(s, now)
		if s.x.answer.closes {
			l.closeSession(s, now)
			return
		}
	}
	if ended {
		l.endSession(s, now, cause(err))
	}
}

func cause(err error) Cause {
	if err == nil {
		return Closed
	}
	return causeOf(err)
}

// expire ends attempts whose time is up.
func (l *loop) expire(now time.Duration) {
	for len(l.queue) > 0 {
		x := l.queue[0]
		if x.fd >= 0 {
			if x.asked+l.cfg.Timeout > now {
				return
			}
			why := NoConnection
			if x.connected {
				why = NoAnswer
			}
			l.flying--
			l.drop(x)
			if !x.replied {
				l.count.failure(x.seq, x.asked, why)
			}
		}
		l.queue = l.queue[1:]
	}
}

func (l *loop) close() {
	for fd := range l.conns {
		abandon(fd)
	}
	if l.witness != nil {
		l.witness.close()
	}
	_ = unix.Close(l.epoll)
}
