package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

const (
	// farewell is how long connections may take to hear that they are to close.
	farewell = 2 * time.Second
	// lastRequests is how long requests may take after that.
	lastRequests = time.Second
)

func webCommand(a *app) *cobra.Command {
	var listen, node string
	var udp bool
	c := &cobra.Command{
		Use: "web", Short: "Run a small web server that tells who answered", Args: cobra.NoArgs,
		Long: `Run the small web server of the module web_farm and the demonstration, until SIGTERM
or SIGINT. Every answer has a header X-Node. The page / is a mosaic: each of its
tiles is a connection of its own and shows the server that answered it.
/slow?ms=N answers after so many milliseconds.

With --udp, datagrams to the same port are sent back with a line in front that tells
who answered. Both are served by IPv4 and IPv6.`,
		Example: "  orchestrator web --listen :8080 --node-name web1\n  orchestrator web --udp",
	}
	c.Flags().StringVar(&listen, "listen", ":80", "`ADDRESS:PORT` to listen on; without an address, all")
	c.Flags().StringVar(&node, "node-name", "", "`NAME` that answers tell (default this machine's host name)")
	c.Flags().BoolVar(&udp, "udp", false, "send datagrams back, too")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if node == "" {
			var err error
			if node, err = os.Hostname(); err != nil {
				return fmt.Errorf("find this machine's name: %w; give one with --node-name", err)
			}
		}
		listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", listen, err)
		}
		fmt.Fprintf(a.stderr, "web server of %s listens on %s\n", node, listener.Addr())
		if udp {
			end, err := echo(listener.Addr().String(), node)
			if err != nil {
				return errors.Join(err, listener.Close())
			}
			defer end()
		}
		return newWeb(node).serve(cmd.Context(), listener)
	}
	return c
}

// serve serves until ctx ends. Then each connection learns with its next answer
// that it is to close, so that clients see an orderly end.
func (s *web) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s, ConnState: s.count, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.ending.Store(true)
	deadline := time.NewTimer(farewell)
	defer deadline.Stop()
	select {
	case <-s.quiet():
	case <-deadline.C:
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastRequests)
	defer cancel()
	if err := server.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("end the web server: %w", err)
	}
	return server.Close()
}
