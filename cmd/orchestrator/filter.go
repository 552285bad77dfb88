package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/daemon"
	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
)

const filterLong = `The packet filter is what shares the connections: a small program in the kernel of each
server, which keeps the packets of its own clients and sends on or drops the others.
It goes on while the daemon is restarted, as long as its lease runs. These commands
look at this server's kernel itself, so they also work while the daemon does not.`

func filterCommand(a *app) *cobra.Command {
	return noun("filter", "What this server's kernel does with packets: look, take off", filterLong,
		filterShow(a), filterDump(a), filterClean(a))
}

// nothingFiltered is what is said where there is no filter.
const nothingFiltered = "nothing of this node's packet filter is in the kernel"

// snapshot reads the filter of this node; an empty one if there is none.
func (a *app) snapshot() (s *ebpf.Snapshot, home string, err error) {
	home, err = a.homeDir()
	if err != nil {
		return nil, "", err
	}
	s, err = ebpf.Read(pinDir(home))
	if errors.Is(err, ebpf.ErrNothing) {
		return &ebpf.Snapshot{}, home, nil
	}
	return s, home, err
}

func filterShow(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "show", Short: "Show how packets are filtered on this server", Args: cobra.NoArgs,
		Long: `Show how each interface of this server is filtered, how long the lease runs, and for
each module who has which part of the clients and what became of the packets.

An interface is filtered by xdp-native (in the driver, fastest), tcx, or xdp-generic:
the first that works; on a veth, as containers have it, by tcx. The variable
ORCHESTRATOR_FILTER_ATTACH of the daemon names one that is to be tried first.
Packets are counted by what was done with them and why: accept-…, forward-… (to
another server), arp-… and ndp-… (who asks for an address), drop-…; and for each group
by what the client's part was to this server at that moment: own, or other (another
server's), and own-moving or other-moving while several servers may have connections in
it, so that they are looked for.
Packets that met their end before a group was asked stand behind the groups.`,
		Example: `  orchestrator filter show
  orchestrator filter show --json | jq '.modules[].packets[] | select(.class == "own-moving")'`,
	})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		s, home, err := a.snapshot()
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(s)
		}
		return showFilter(a.stdout, s, nodeNames(cmd.Context(), home), a.color(a.stdout))
	}
	return c
}

// nodeNames asks the daemon what the nodes are called; nothing if it does not
// answer.
func nodeNames(ctx context.Context, home string) map[uint8]string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	names := map[uint8]string{}
	var st control.ClusterStatus
	if err := control.NewClient(socketOf(home)).Get(ctx, "/v1/cluster", &st); err == nil {
		for _, n := range st.Nodes {
			names[uint8(n.Number)] = n.Name
		}
	}
	return names
}

func filterDump(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "dump", Short: "Print all that the packet filter has in the kernel", Args: cobra.NoArgs,
		Long: `Print what the packet filter of this server has in the kernel: programs by interface,
virtual addresses, rules, the tables that are in force as ranges of like rows, the
Ethernet addresses of the nodes, the lease and the counters. Nodes are told by number.

A row says who owns a part of the clients, then who may still have connections of it,
the latest first: "1", or "1<3,2".`,
		Example: `  orchestrator filter dump
  orchestrator filter dump --json | jq '.modules[].groups[].rows[] | select(.owner == 0)'`,
	})
	c.RunE = func(*cobra.Command, []string) error {
		s, _, err := a.snapshot()
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(s)
		}
		return dumpFilter(a.stdout, s, a.color(a.stdout))
	}
	return c
}

func filterClean(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "clean", Short: "Take off what a daemon that is gone left on the network", Args: cobra.NoArgs,
		Long: `Take off what the daemon of this server left on the network if it was killed or its
program removed: virtual addresses, and the packet filter, whichever version of the
program made it. It is refused while the daemon runs. A daemon that ends in good
order leaves nothing, and one that starts does the same by itself.`,
		Example: `  systemctl stop orchestrator
  orchestrator filter clean`,
	})
	c.RunE = func(*cobra.Command, []string) error {
		home, err := a.homeDir()
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(a.stderr, nil))
		did, err := daemon.Clean(home, log, func() ([]string, error) { return ebpf.Clean(pinDir(home)) })
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string][]string{"removed": did})
		}
		if len(did) == 0 {
			_, err = fmt.Fprintln(a.stdout, nothingFiltered)
		}
		for _, what := range did {
			if _, e := fmt.Fprintf(a.stdout, "removed %s\n", clean(what)); e != nil {
				err = e
			}
		}
		return err
	}
	return c
}
