package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const drainLong = `Take the load off servers: new connections go to the others, those that exist go on
until they end. The application keeps running. --node is needed: to drain all servers
would take the service away.

It answers as soon as the servers get no new connection, and says how many each has
left; "orchestrator status --watch" shows how they become fewer. With --deadline it
waits for them, at most this long, and then says what is left: drain itself never
ends a connection. To stop a server for maintenance:

  orchestrator drain web_farm --node n2 --deadline 10m
  orchestrator stop web_farm --node n2

The second command ends what is then still open.`

// drainEvery is how often connections are counted while drain waits.
const drainEvery = time.Second

// drained finds out how many connections the servers of an outcome have left, and
// waits until there is none or the deadline has passed.
func (a *app) drained(ctx context.Context, client *control.Client, module string, deadline time.Duration, out *control.Outcome) error {
	var nodes []string
	for _, n := range out.Nodes {
		if n.OK {
			nodes = append(nodes, n.Node)
		}
	}
	left, err := a.awaitDrained(ctx, nodes, deadline, func(ctx context.Context) (control.Status, error) {
		var st control.Status
		err := client.Get(ctx, statusPath(module), &st)
		return st, err
	})
	for i, n := range out.Nodes {
		switch count, known := left[n.Node]; {
		case known:
			out.Nodes[i].Text = connectionsLeft(count)
		case n.OK:
			out.Nodes[i].Text = "drained, but cannot be asked how many connections are left"
		}
	}
	return err
}

// awaitDrained counts until there is no connection left or the deadline has passed,
// and shows the numbers on a terminal meanwhile.
func (a *app) awaitDrained(ctx context.Context, nodes []string, deadline time.Duration, look func(context.Context) (control.Status, error)) (map[string]int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := time.NewTimer(deadline)
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	live := a.terminal(a.stderr) && !a.json
	if live {
		defer fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	for {
		st, err := look(ctx)
		if err != nil {
			return nil, err
		}
		left := leftOn(st, nodes)
		total := 0
		var parts []string
		for _, n := range slices.Sorted(maps.Keys(left)) {
			total += left[n]
			parts = append(parts, fmt.Sprintf("%s: %s", clean(n), connectionsLeft(left[n])))
		}
		if total == 0 && len(left) == len(nodes) || deadline <= 0 {
			return left, nil
		}
		if live {
			fmt.Fprintf(a.stderr, "\r%s\x1b[K", strings.Join(parts, ", "))
		}
		select {
		case <-tick.C:
		case <-end.C:
			return left, nil
		case <-ctx.Done():
			return left, ctx.Err()
		}
	}
}

// leftOn are the connections on some servers; those that cannot be asked are left
// out.
func leftOn(st control.Status, nodes []string) map[string]int {
	left := map[string]int{}
	for _, m := range st.Modules {
		for _, n := range m.Nodes {
			if n.Reachable && slices.Contains(nodes, n.Node) {
				left[n.Node] += n.Connections
			}
		}
	}
	return left
}

func connectionsLeft(n int) string {
	switch n {
	case 0:
		return "no connection left"
	case 1:
		return "1 connection left"
	}
	return fmt.Sprintf("%d connections left", n)
}
