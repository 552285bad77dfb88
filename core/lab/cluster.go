package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// runner runs a command line of the program on a node and answers its standard
// output.
type runner func(ctx context.Context, node string, args ...string) ([]byte, error)

// Everything that the lab knows of the program's command line is in this file.

func initCommand(node, networks int, hash string) []string {
	command := append([]string{"cluster", "init", "--name", nodeName(node)}, addressFlags(node, networks)...)
	if hash != "" {
		command = append(command, "--hash", hash)
	}
	return command
}

func joinCommand(token string, node, networks, via int) []string {
	command := append([]string{"cluster", "join", "--token", token, "--name", nodeName(node)}, addressFlags(node, networks)...)
	return append(command, NodeAddress(via).String())
}

func addressFlags(node, networks int) []string {
	flags := []string{"--address", NodeAddress(node).String()}
	if networks > 1 {
		flags = append(flags, "--address", "second="+host(secondNetwork, node, false).Addr().String())
	}
	return flags
}

var (
	tokenCommand  = []string{"cluster", "token", "--json"}
	statusCommand = []string{"cluster", "status", "--json"}
)

// form makes a cluster of the nodes whose daemons answer.
func form(ctx context.Context, run runner, o Options, progress func(string)) error {
	first := nodeName(1)
	progress("making the cluster on " + first)
	if _, err := run(ctx, first, initCommand(1, o.Networks, o.Hash)...); err != nil {
		return fmt.Errorf("make the cluster on %s: %w", first, err)
	}
	for number := 2; number <= o.Nodes; number++ {
		name := nodeName(number)
		progress("joining " + name)
		token, err := newToken(ctx, run, first)
		if err != nil {
			return err
		}
		if _, err := run(ctx, name, joinCommand(token, number, o.Networks, 1)...); err != nil {
			return fmt.Errorf("join %s: %w", name, err)
		}
	}
	progress("waiting until all see all")
	return waitComplete(ctx, run, o.Nodes)
}

func newToken(ctx context.Context, run runner, node string) (string, error) {
	out, err := run(ctx, node, tokenCommand...)
	if err != nil {
		return "", fmt.Errorf("get a join token from %s: %w", node, err)
	}
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", fmt.Errorf("read the join token of %s: %w", node, err)
	}
	if answer.Token == "" {
		return "", fmt.Errorf("%s gave an empty join token: %q", node, out)
	}
	return answer.Token, nil
}

// waitComplete returns when every node sees every node alive.
func waitComplete(ctx context.Context, run runner, nodes int) error {
	var last error
	for number := 1; number <= nodes; {
		alive, err := aliveNodes(ctx, run, nodeName(number))
		if err == nil && alive == nodes {
			number++
			continue
		}
		if err == nil {
			err = fmt.Errorf("%s sees %d of %d nodes alive", nodeName(number), alive, nodes)
		}
		last = err
		if pause(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("wait for the cluster: %w", errors.Join(ctx.Err(), last))
		}
	}
	return nil
}

func aliveNodes(ctx context.Context, run runner, node string) (int, error) {
	out, err := run(ctx, node, statusCommand...)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Nodes []struct {
			Alive bool `json:"alive"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return 0, fmt.Errorf("read the cluster's status on %s: %w", node, err)
	}
	alive := 0
	for _, n := range answer.Nodes {
		if n.Alive {
			alive++
		}
	}
	return alive, nil
}

// waitAnswer returns when a daemon accepts connections on its socket, or with an
// error when it has ended.
func waitAnswer(ctx context.Context, socket string, ended <-chan struct{}) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return errors.New("the daemon ended at once")
		default:
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("the daemon does not answer: %w", err)
		}
	}
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func join(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
