package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// A farm without ours: all nodes have the address, a multicast MAC address brings
// them every frame, as the manual of xt_cluster says, and each keeps its share by a hash
// of the kernel's own. A node that is away is stood in for by the first.
type hashFarm struct {
	id, name, program string
	// rules make a node keep the given parts of three, numbered from 0.
	rules func(program string, parts ...int) [][]string
}

const sharedMAC = "01:00:5e:4d:00:64"

var hashFarms = []hashFarm{
	{"xt_cluster", "xt_cluster", "iptables-legacy", xtClusterRules},
	{"nftables", "nftables jhash", "nft", nftRules},
}

func xtClusterRules(program string, parts ...int) [][]string {
	mask := 0
	for _, p := range parts {
		mask |= 1 << p
	}
	mangle := []string{program, "-w", "-t", "mangle"}
	to := func(more ...string) []string {
		return append(append(mangle[:len(mangle):len(mangle)], "-A", "PREROUTING", "-d", lab.SuggestedVIP), more...)
	}
	flush, drop := append(mangle[:len(mangle):len(mangle)], "-F"), to("-m", "mark", "!", "--mark", "0xffff", "-j", "DROP")
	if mask == 0 {
		return [][]string{flush, drop}
	}
	return [][]string{
		flush,
		to("-m", "cluster", "--cluster-total-nodes", "3", "--cluster-local-nodemask", fmt.Sprint(mask), "--cluster-hash-seed", "0xdeadbeef", "-j", "MARK", "--set-mark", "0xffff"),
		drop,
	}
}

func nftRules(program string, parts ...int) [][]string {
	not := ""
	if len(parts) > 0 {
		not = "jhash ip saddr . tcp sport mod 3 seed 0xdeadbeef != { " + strings.ReplaceAll(strings.Trim(fmt.Sprint(parts), "[]"), " ", ", ") + " } "
	}
	return [][]string{{program, "table netdev share {}\ndelete table netdev share\ntable netdev share {\nchain c { type filter hook ingress device eth0 priority 0;\n" +
		"ip daddr " + lab.SuggestedVIP + " tcp dport 80 " + not + "drop\n" +
		"ip daddr " + lab.SuggestedVIP + " meta pkttype set host\n}\n}\n"}}
}

// movesOfPeers measures the return of a node in such farms: the peers of moves.return.
func movesOfPeers(ctx context.Context, b *bench) (err error) {
	r, err := b.build(ctx, 3, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	end, err := r.shareByMulticast(ctx)
	if err != nil {
		return err
	}
	defer end()
	for _, h := range hashFarms {
		broken := Figure{ID: "moves.return." + h.id, Name: "connections broken of 10,000, " + h.name + ": a node returns"}
		lost := Figure{ID: "moves.lost." + h.id, Name: "SYNs lost in it, " + h.name}
		twice := Figure{ID: "moves.twice." + h.id, Name: "SYNs answered twice in it, " + h.name}
		for range min(3, b.runs) {
			saw, err := r.returnOf(ctx, h)
			if refused := (&refusal{}); errors.As(err, &refused) {
				broken.Skipped, lost.Skipped, twice.Skipped = refused.Error(), refused.Error(), refused.Error()
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", h.id, err)
			}
			broken.Values, lost.Values = append(broken.Values, saw.broken), append(lost.Values, saw.lost)
			twice.Values = append(twice.Values, saw.twice)
		}
		b.add(broken)
		b.add(lost)
		b.add(twice)
		if h.id == "xt_cluster" && len(broken.Values) > 0 {
			for _, mode := range []string{"vmac_directed", "vmac_invisible"} {
				b.compare("moves.return."+mode, Peer{Name: h.name, Values: broken.Values})
			}
		}
		if err := r.unshare(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// shareByMulticast gives all nodes the address and nginx, and the client the way.
func (r *rig) shareByMulticast(ctx context.Context) (end func(), err error) {
	commands := [][]string{{lab.Client, "ip", "neigh", "replace", lab.SuggestedVIP, "lladdr", sharedMAC, "dev", "eth0", "nud", "permanent"}}
	for _, node := range r.nodes {
		commands = append(commands,
			[]string{node, "ip", "address", "add", lab.SuggestedVIP + "/32", "dev", "eth0"},
			[]string{node, "ip", "maddress", "add", sharedMAC, "dev", "eth0"})
	}
	for _, c := range commands {
		if _, err := r.on(ctx, c[0], c[1:]...); err != nil {
			return nil, err
		}
	}
	return r.startNginx(ctx)
}

func (r *rig) keep(ctx context.Context, h hashFarm, program, node string, parts ...int) error {
	for _, rule := range h.rules(program, parts...) {
		if _, err := r.on(ctx, node, rule...); err != nil {
			return err
		}
	}
	return nil
}

// returnOf lets the third node come back while clients are at work.
func (r *rig) returnOf(ctx context.Context, h hashFarm) (noticed, error) {
	program, err := which(h.program)
	if err != nil {
		return noticed{}, &refusal{err}
	}
	// A node that is away keeps no part.
	err = errors.Join(r.keep(ctx, h, program, "n1", 0, 2), r.keep(ctx, h, program, "n2", 1), r.keep(ctx, h, program, "n3"))
	if err != nil {
		return noticed{}, &refusal{err}
	}
	report, at, err := r.under(ctx, func() error {
		return errors.Join(r.keep(ctx, h, program, "n1", 0), r.keep(ctx, h, program, "n3", 2))
	})
	if err != nil {
		return noticed{}, err
	}
	saw := see(report, at, nil)
	r.b.say("%s: %.0f broken, %.0f lost, %.0f twice", h.id, saw.broken, saw.lost, saw.twice)
	return saw, nil
}

func (r *rig) unshare(ctx context.Context, h hashFarm) error {
	program, err := which(h.program)
	if err != nil {
		return nil //nolint:nilerr // then there is nothing
	}
	clean := []string{program, "-w", "-t", "mangle", "-F"}
	if h.id == "nftables" {
		clean = []string{program, "table netdev share {}\ndelete table netdev share\n"}
	}
	for _, node := range r.nodes {
		if _, err := r.on(ctx, node, clean...); err != nil {
			return err
		}
	}
	return nil
}
