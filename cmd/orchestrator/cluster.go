package main

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const clusterLong = `A cluster is a set of servers that know each other. The first is made with "init";
each further one joins with a token that a member gives out. What is applied
on one server reaches all of them.`

func clusterCommand(a *app) *cobra.Command {
	return noun("cluster", "The servers: found a cluster, join, leave, look", clusterLong,
		clusterInit(a), clusterJoin(a), clusterToken(a), clusterLeave(a), clusterRemove(a), clusterStatus(a), clusterCheck(a), clusterDiff(a), clusterApply(a))
}

// nodeFlags are what init and join ask of this server.
type nodeFlags struct {
	name      string
	addresses []string
	local     []string
}

func (f *nodeFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.name, "name", "", "`NAME` of this server in the cluster (default its host name)")
	c.Flags().StringArrayVar(&f.addresses, "address", nil, "this server's own `ADDRESS`, or NETWORK=ADDRESS; may be repeated (default the one that it has, or that of its default route)")
	c.Flags().StringArrayVar(&f.local, "local", nil, "what this server itself has in the place of an `ADDRESS` that is translated on the way to it (NAT), or NETWORK=ADDRESS; may be repeated")
}

// own is what init and join tell the daemon of this server.
func (f *nodeFlags) own() (name string, addresses, local map[string]string, err error) {
	if name, addresses, err = thisNode(f.name, f.addresses, os.Hostname); err != nil {
		return "", nil, nil, err
	}
	local, err = parseAddresses("local", f.local)
	return name, addresses, local, err
}

func clusterInit(a *app) *cobra.Command {
	var flags nodeFlags
	var cluster, hash string
	c := a.jsonFlag(&cobra.Command{
		Use: "init", Short: "Found a cluster with this server", Args: cobra.NoArgs,
		Long: `Found a cluster with this server as its first member: keys and certificates are
made, nothing has to be set up before. --address says by which address the other
servers reach this one; with a second network, give both: the cluster then lives
as long as one of them works.

--hash chooses, for good, how clients are shared out: keyed mixes addresses and
ports under a secret key; low_bits takes the lowest bits of the port or address,
which spreads worse but is all that the packet filter of a Windows server can do:
choose it for a cluster that is to have one.`,
		Example: `  orchestrator cluster init
  orchestrator cluster init --name web1 --address 10.0.0.1
  orchestrator cluster init --address 10.0.0.1 --address backup=10.1.0.1
  orchestrator cluster init --hash low_bits`,
	})
	flags.add(c)
	c.Flags().StringVar(&cluster, "cluster", "cluster", "`NAME` of the cluster")
	c.Flags().StringVar(&hash, "hash", "", "the hash `FUNCTION` of the cluster, keyed or low_bits (default keyed)")
	completeFlag(c, "hash", always("keyed", "low_bits"))
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if hash != "" && hash != "keyed" && hash != "low_bits" {
			return usagef("--hash %q: use keyed or low_bits", hash)
		}
		name, addresses, local, err := flags.own()
		if err != nil {
			return err
		}
		return a.change(cmd, "/v1/cluster/init", control.InitRequest{Cluster: cluster, Name: name, Addresses: addresses, Local: local, Hash: hash})
	}
	return c
}

func clusterJoin(a *app) *cobra.Command {
	var flags nodeFlags
	var token string
	c := a.jsonFlag(&cobra.Command{
		Use: "join --token TOKEN PEER", Short: "Make this server a member of a cluster", Args: cobra.ExactArgs(1),
		Long: `Make this server a member of the cluster to which PEER, the address of any member,
belongs. "orchestrator cluster token" on a member gives the token, and the whole
command. From then on the server joins again by itself whenever it comes back.`,
		Example: `  orchestrator cluster join --token KtQ… 10.0.0.1
  orchestrator cluster join --token KtQ… --name web2 --address 10.0.0.2 10.0.0.1`,
	})
	flags.add(c)
	c.Flags().StringVar(&token, "token", "", "the `TOKEN`, good for one server")
	_ = c.MarkFlagRequired("token") // it was declared above
	c.RunE = func(cmd *cobra.Command, args []string) error {
		name, addresses, local, err := flags.own()
		if err != nil {
			return err
		}
		return a.change(cmd, "/v1/cluster/join", control.JoinRequest{Token: token, Name: name, Addresses: addresses, Local: local, Peer: args[0]})
	}
	return c
}

// change posts a request and shows the outcome.
func (a *app) change(cmd *cobra.Command, path string, in any) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	var out control.Outcome
	if err := client.Post(cmd.Context(), path, in, &out); err != nil {
		return err
	}
	return a.outcome(out)
}

func clusterToken(a *app) *cobra.Command {
	var ttl time.Duration
	c := a.jsonFlag(&cobra.Command{
		Use: "token", Short: "Give out a token with which one server can join", Args: cobra.NoArgs,
		Long:    "Give out a token with which one server can join, once, until it expires. Whoever has it can become\na member: hand it over as you would a password.",
		Example: "  orchestrator cluster token --ttl 15m",
	})
	c.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is good")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if ttl <= 0 {
			return usagef("--ttl %s is not positive", ttl)
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		var reply control.TokenReply
		if err := client.Post(cmd.Context(), "/v1/cluster/token?"+url.Values{"ttl": {ttl.String()}}.Encode(), nil, &reply); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(reply)
		}
		_, err = fmt.Fprintf(a.stdout, "On the new server, until %s:\n\n  %s\n", reply.Expires.Local().Format(time.DateTime), reply.Command)
		return err
	}
	return c
}

func clusterLeave(a *app) *cobra.Command {
	var force bool
	c := a.jsonFlag(&cobra.Command{
		Use: "leave", Short: "Take this server out of its cluster", Args: cobra.NoArgs,
		Long: `Take this server out of its cluster, for good: the others forget it, and it forgets
the keys and the configuration. Its modules must be stopped before; their replicated
folders get their files back. A server that is only switched off for a while needs not
leave. With --force it leaves although no other server can be reached to take note.`,
		Example: "  orchestrator cluster leave",
	})
	c.Flags().BoolVar(&force, "force", false, "also if no other server can take note")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		path := "/v1/cluster/leave"
		if force {
			path += "?force=true"
		}
		return a.change(cmd, path, nil)
	}
	return c
}

func clusterRemove(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "remove NODE", Short: "Take a server out that is gone for good", Args: cobra.ExactArgs(1), ValidArgsFunction: inOrder(a.nodes),
		Long: `Take a server out of the cluster that does not run any more and will not come back: it
burned, or its disk did. Another one can then join under its name. One that is alive is
not taken out: "cluster leave" does that, on it. Should a removed server come back all the
same, it finds that out, stops its modules and forgets the cluster.

The other server of a mirror goes on meanwhile. When the new one has joined, stop and start
the module once on the old one, so that they find each other.`,
		Example: "  orchestrator cluster remove n3",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var out control.Outcome
		if err := client.Delete(cmd.Context(), "/v1/cluster/nodes/"+url.PathEscape(args[0]), &out); err != nil {
			return err
		}
		return a.outcome(out)
	}
	return c
}
