package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Do makes a fault happen. A killed daemon is dead when Do returns, a stopped
// one may still be at it. Heal waits until a daemon that it started answers.
func (l *Lab) Do(ctx context.Context, f Fault) error {
	if err := f.check(l.opts.Nodes, l.opts.Networks); err != nil {
		return err
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.Lock()
	phase := l.status.Phase
	l.mu.Unlock()
	if l.stopped.Err() != nil || phase != Running {
		return fmt.Errorf("lab %s %w", l.opts.Name, errNotRunning)
	}
	l.opts.Log.Info("fault", "verb", f.Verb, "nodes", f.Nodes, "all", f.All, "groups", f.Groups)
	switch f.Verb {
	case Partition:
		return l.partition(f.Groups)
	case Heal:
		return l.heal(ctx, f.Nodes)
	}
	var errs []error
	for _, name := range f.Nodes {
		errs = append(errs, l.harm(ctx, f, name))
	}
	return errors.Join(errs...)
}

func (l *Lab) harm(ctx context.Context, f Fault, name string) error {
	if f.Verb == Cut {
		return l.setCable(name, f.Network, false)
	}
	if f.Verb == Unplug {
		return l.net.unplug(name, f.Network)
	}
	n := l.nodes[nodeNumber(name)-1]
	switch {
	case f.Verb == Kill && f.All:
		if err := n.everything(syscall.SIGKILL); err != nil {
			return err
		}
		return awaitEnd(ctx, n)
	case f.Verb == Kill:
		if err := n.signal(syscall.SIGKILL); err != nil {
			return err
		}
		return awaitEnd(ctx, n)
	case f.Verb == Stop:
		return n.signal(syscall.SIGTERM)
	case f.Verb == Pause && f.All:
		return n.everything(syscall.SIGSTOP)
	case f.Verb == Pause:
		return n.signal(syscall.SIGSTOP)
	default:
		return n.everything(syscall.SIGCONT)
	}
}

func awaitEnd(ctx context.Context, n *node) error {
	select {
	case <-n.done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the daemon of %s: %w", n.name, ctx.Err())
	}
}

// replug gives a member its interfaces back; the way to the far client went with
// them.
func (l *Lab) replug(member string) error {
	gone := slices.ContainsFunc(l.net.ports[member], func(p *port) bool { return p.gone.Load() && p.network == firstNetwork })
	if err := l.net.replug(member); err != nil || !gone || !l.opts.WithRouter {
		return err
	}
	return l.net.farRoute(member)
}

// setCable is about the cable in one network, 1 or 2, or all of them for 0.
func (l *Lab) setCable(member string, network int, up bool) error {
	if err := l.net.cable(member, network, up); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.net.portsOf(member, network) {
		l.cut[p.name] = !up
	}
	return nil
}

func (l *Lab) members() []string {
	names := []string{Client}
	for _, n := range l.nodes {
		names = append(names, n.name)
	}
	return names
}

// partition moves the sides onto bridges of their own. Nobody loses carrier.
func (l *Lab) partition(groups [][]string) error {
	for _, member := range l.members() {
		group := max(0, slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g, member) }))
		if err := l.setGroup(member, group); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) setGroup(member string, group int) error {
	l.mu.Lock()
	now := l.group[member]
	l.mu.Unlock()
	if now == group {
		return nil
	}
	if err := l.net.move(member, group); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group[member] = group
	return nil
}

// heal makes members whole; none named means all.
func (l *Lab) heal(ctx context.Context, names []string) error {
	if len(names) == 0 {
		names = l.members()
	}
	var errs []error
	var started []*node
	for _, name := range names {
		errs = append(errs, l.replug(name), l.setGroup(name, 0), l.setCable(name, 0, true))
		if name == Client {
			continue
		}
		n := l.nodes[nodeNumber(name)-1]
		errs = append(errs, n.everything(syscall.SIGCONT))
		if n.pid() == 0 {
			errs = append(errs, n.start(l.opts))
			started = append(started, n)
		}
	}
	if err := errors.Join(errs...); err != nil || l.opts.NoCluster {
		return err
	}
	return l.awaitAnswers(ctx, started)
}

func (l *Lab) awaitAnswers(ctx context.Context, nodes []*node) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	defer context.AfterFunc(l.stopped, cancel)()
	for _, n := range nodes {
		if err := waitAnswer(ctx, l.place.socket(n.name), n.done()); err != nil {
			return fmt.Errorf("restart %s: %w\n%s", n.name, err, lastLines(l.place.logFile(n.name), 1000))
		}
	}
	return nil
}
