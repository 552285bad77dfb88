package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

func labLoad(a *app) *cobra.Command {
	var (
		p      place
		cfg    load.Config
		target string
		here   bool
	)
	c := p.add(a.jsonFlag(&cobra.Command{
		Use: "load", Short: "Be a client, and tell what it sees", Args: cobra.NoArgs,
		Long: `Make new connections on schedule and keep long-lived ones, and tell what a client
sees: outages, failed and broken connections, requests that were answered twice, and
who answered. With --udp it sends datagrams instead, to a server that returns them
with its name in front ("orchestrator web --udp" does). It runs until --duration is
over or Ctrl-C. docs/lab.md tells how things are measured.`,
		Example: `  orchestrator lab load --rate 500 --connections 100 --duration 30s
  orchestrator lab load --target 10.77.0.100:8080 --connections 0 --json
  orchestrator lab load --target [fd77::100]:80
  orchestrator lab load --udp --size 4000
  orchestrator lab load --here --target 192.0.2.10:80`,
	}))
	f := c.Flags()
	f.StringVar(&target, "target", lab.SuggestedVIP+":80", "`ADDRESS:PORT` of the service")
	f.BoolVar(&cfg.UDP, "udp", false, "datagrams instead of connections")
	f.IntVar(&cfg.Size, "size", 64, "`BYTES` of a datagram")
	f.StringVar(&cfg.Path, "path", "/", "what is asked for")
	f.IntVar(&cfg.Rate, "rate", 300, "new connections per second; 0 makes none")
	f.DurationVar(&cfg.Timeout, "timeout", 250*time.Millisecond, "how long a new connection and its answer may take, below 1s")
	f.IntVar(&cfg.Connections, "connections", 60, "long-lived connections; 0 makes none")
	f.DurationVar(&cfg.Interval, "interval", 500*time.Millisecond, "between two requests on a long-lived connection")
	f.DurationVar(&cfg.Patience, "patience", 5*time.Second, "how long an answer on a long-lived connection may take")
	f.DurationVar(&cfg.Duration, "duration", 10*time.Second, "how long to go on; 0 until Ctrl-C")
	f.BoolVar(&here, "here", false, "from this machine itself instead of a lab's client")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if cfg.Target, err = netip.ParseAddrPort(target); err != nil {
			return usagef("--target %q is not ADDRESS:PORT, such as %s:80", target, lab.SuggestedVIP)
		}
		if cfg.Rate == 0 && cfg.Connections == 0 {
			return usagef("--rate and --connections are both 0: there is nothing to do")
		}
		if !here {
			if cfg.Sources, err = a.sources(cmd, p, cfg.Target.Addr().Is4()); err != nil {
				return err
			}
			cfg.Namespace = lab.ClientNamespace(p.name)
			cfg.Doubles = true
		}
		return a.load(cmd, cfg)
	}
	return c
}

// sources are the addresses of a lab's client, of one family.
func (a *app) sources(cmd *cobra.Command, p place, four bool) ([]netip.Addr, error) {
	remote, err := lab.Connect(p.root, p.name)
	if err != nil {
		return nil, err
	}
	st, err := remote.Status(cmd.Context())
	if err != nil {
		return nil, p.explain(err)
	}
	list := st.Client.Addresses
	if !four {
		list = st.Client.Addresses6
	}
	var all []netip.Addr
	for _, text := range list {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("read the client's addresses: %w", err)
		}
		all = append(all, addr)
	}
	return all, nil
}

// load makes the load, with a line of news on a terminal.
func (a *app) load(cmd *cobra.Command, cfg load.Config) error {
	var sink func(load.Report)
	if a.terminal(a.stderr) {
		sink = func(r load.Report) {
			fmt.Fprintf(a.stderr, "\r\x1b[K%5.1f s: %d answered, %d failed, %d outages; %d of %d connections open, %d broken",
				r.ElapsedMS/1000, r.New.OK, r.New.Failed, len(r.New.Outages), r.Connections.Kept, r.Connections.Wanted, r.Connections.Broken)
		}
	}
	report, err := load.Run(cmd.Context(), cfg, sink)
	if sink != nil {
		fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(report)
	}
	_, err = fmt.Fprint(a.stdout, report.Text())
	return err
}
