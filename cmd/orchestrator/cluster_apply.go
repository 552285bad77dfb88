package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

func clusterApply(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "apply FILE", Short: "Make the cluster that a cluster.xml of SafeKit describes", Args: cobra.ExactArgs(1),
		Long: `Read the description of a SafeKit cluster, or a zip archive with it, and make that
cluster. The server that is named first founds it; servers that are not in it yet get a
token each, and the command to type there is printed. A name in the place of an address is
looked up now. On a member it may be repeated: what is so already stays. What differs and
cannot be changed like this, such as the address of a member, is told with what to do
about it, and the exit code is 1 then.`,
		Example: "  orchestrator cluster apply cluster.xml",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error { return a.applyCluster(cmd.Context(), args[0]) }
	return c
}

// appliedCluster is what became of a description.
type appliedCluster struct {
	Founded string          `json:"founded,omitempty"` // what the daemon said
	Joins   []clusterJoins  `json:"joins,omitempty"`
	Differs []clusterChange `json:"differs,omitempty"` // what this server cannot change
}

// clusterJoins is what is to be typed on a server that is to join.
type clusterJoins struct {
	Node    string    `json:"node"`
	Command string    `json:"command"`
	Expires time.Time `json:"expires"`
}

func (a *app) applyCluster(ctx context.Context, file string) error {
	data, err := readCluster(file)
	if err != nil {
		return err
	}
	wanted, problems := config.ParseCluster(data, file)
	if wanted == nil {
		return &control.Refusal{Kind: control.ErrInput, Text: file + " has mistakes; nothing was changed", Problems: problems}
	}
	problems.Render(a.stderr, a.style(a.stderr))
	if err := lookUp(ctx, wanted, net.DefaultResolver.LookupNetIP); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	var r appliedCluster
	var is control.ClusterStatus
	err = client.Get(ctx, "/v1/cluster", &is)
	if errors.Is(err, control.ErrRefused) { // it belongs to none
		if r.Founded, err = a.foundCluster(ctx, client, wanted); err == nil {
			err = client.Get(ctx, "/v1/cluster", &is)
		}
	}
	if err != nil {
		return err
	}
	for _, c := range compareCluster(is, wanted) {
		if c.Joins == "" {
			r.Differs = append(r.Differs, c)
			continue
		}
		if slices.ContainsFunc(r.Joins, func(j clusterJoins) bool { return j.Node == c.Joins }) {
			continue
		}
		var t control.TokenReply
		if err := client.Post(ctx, "/v1/cluster/token?"+url.Values{"ttl": {time.Hour.String()}}.Encode(), nil, &t); err != nil {
			return err
		}
		command := strings.Replace(strings.TrimPrefix(c.Do, onIt), "--token TOKEN", "--token "+t.Token, 1)
		r.Joins = append(r.Joins, clusterJoins{c.Joins, command, t.Expires})
	}
	return a.showApplied(r)
}

// foundCluster founds the cluster, if this is the server that is to.
func (a *app) foundCluster(ctx context.Context, client *control.Client, wanted *config.Cluster) (string, error) {
	mine, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("list the addresses of this machine: %w", err)
	}
	host, _ := os.Hostname() // without it the addresses decide
	me, err := whoAmI(wanted, mine, host)
	if err != nil {
		return "", err
	}
	if first := wanted.Nodes()[0]; me != first {
		return "", fmt.Errorf("this server is %s, and a server is let in with a token of a member: this command on %s founds the cluster, if there is none, and prints what to type here", me, first)
	}
	q := control.InitRequest{Cluster: "cluster", Name: me, Addresses: byLan(wanted.Addresses(me)), Local: byLan(wanted.Local(me))}
	var out control.Outcome
	err = client.Post(ctx, "/v1/cluster/init", q, &out)
	return out.Text, err
}

func byLan(lans, addresses []string) map[string]string {
	all := map[string]string{}
	for i, lan := range lans {
		all[lan] = addresses[i]
	}
	return all
}

// whoAmI finds this machine among the nodes: by its addresses, or else by its name.
func whoAmI(c *config.Cluster, mine []net.Addr, host string) (string, error) {
	var own, found []string
	for _, a := range mine {
		text, _, _ := strings.Cut(a.String(), "/")
		own = append(own, text)
	}
	for _, name := range c.Nodes() {
		_, known := c.Addresses(name)
		_, local := c.Local(name)
		if slices.ContainsFunc(append(known, local...), func(addr string) bool { return slices.Contains(own, addr) }) {
			found = append(found, name)
		}
	}
	short, _, _ := strings.Cut(host, ".")
	if len(found) == 0 && slices.Contains(c.Nodes(), short) {
		found = []string{short}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("this machine is none of %s: it has none of their addresses, and its name is %s", strings.Join(c.Nodes(), ", "), short)
	}
	return "", fmt.Errorf("this machine has addresses of more than one node: %s", strings.Join(found, ", "))
}

// lookUp puts addresses in the place of names: a cluster knows addresses only, so that it
// does not depend on DNS.
func lookUp(ctx context.Context, c *config.Cluster, find func(ctx context.Context, network, host string) ([]netip.Addr, error)) error {
	var all error
	for _, lan := range c.Lans {
		for i := range lan.Nodes {
			n := &lan.Nodes[i]
			for _, text := range []*string{&n.Addr, &n.Local} {
				if _, err := netip.ParseAddr(*text); err == nil || *text == "" {
					continue
				}
				found, err := find(ctx, "ip", *text)
				switch {
				case err != nil:
					all = errors.Join(all, fmt.Errorf("%s: node %s on %s: look up %s: %w", n.Pos, n.Name, lan.Name, *text, err))
				case len(found) != 1:
					all = errors.Join(all, fmt.Errorf("%s: node %s on %s: %s has %d addresses: write the one that is meant", n.Pos, n.Name, lan.Name, *text, len(found)))
				default:
					*text = found[0].Unmap().String()
				}
			}
		}
	}
	return all
}

// maxCluster limits a cluster.xml, in bytes.
const maxCluster = 1 << 20

// readCluster reads a cluster.xml, or the one in a zip archive.
func readCluster(file string) ([]byte, error) {
	if !strings.EqualFold(path.Ext(file), ".zip") {
		return os.ReadFile(file)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer z.Close() //nolint:errcheck // it is only read
	for _, f := range z.File {
		if path.Base(f.Name) == "cluster.xml" {
			r, err := f.Open()
			if err != nil {
				return nil, fmt.Errorf("open %s in %s: %w", f.Name, file, err)
			}
			defer r.Close() //nolint:errcheck // likewise
			return io.ReadAll(io.LimitReader(r, maxCluster))
		}
	}
	return nil, fmt.Errorf("there is no cluster.xml in %s", file)
}

func (a *app) showApplied(r appliedCluster) error {
	var err error
	switch {
	case a.json:
		err = a.printJSON(r)
	case r.Founded == "" && len(r.Joins)+len(r.Differs) == 0:
		fmt.Fprintln(a.stdout, "The cluster is as the file describes it.")
	default:
		if r.Founded != "" {
			fmt.Fprintln(a.stdout, r.Founded)
		}
		for _, j := range r.Joins {
			fmt.Fprintf(a.stdout, "\n  on %s, until %s:\n    %s\n", j.Node, j.Expires.Local().Format(time.DateTime), j.Command)
		}
		if len(r.Differs) > 0 {
			fmt.Fprintln(a.stdout, "\nWhat differs, and this server cannot change:")
			err = a.showClusterDiff(r.Differs)
		}
	}
	if err == nil && len(r.Differs) > 0 {
		return silent(exitFailed)
	}
	return err
}
