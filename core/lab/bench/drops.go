package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/prometheus/procfs"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// drops counts what this machine threw away by itself, beside the farm: frames for which
// a cable or a processor had no room, and connections for which a server had none.
type drops struct {
	frames, queued uint64 // by cables (a veth's ring), and by processors (softnet)
	accepts        uint64 // SYNs and last ACKs that found a server's queue full
}

func (d drops) since(before drops) drops {
	return drops{d.frames - before.frames, d.queued - before.queued, d.accepts - before.accepts}
}

func (d drops) String() string {
	return fmt.Sprintf("%d frames dropped by cables, %d by processors, %d connections by servers' full queues", d.frames, d.queued, d.accepts)
}

// drops reads the counters of all members, and those of the machine.
func (r *rig) drops(ctx context.Context) (drops, error) {
	var all drops
	for _, member := range append([]string{lab.Client}, r.nodes...) {
		var links []struct {
			Stats struct {
				RX, TX struct {
					Dropped uint64
				}
			} `json:"stats64"`
		}
		if err := r.ask(ctx, &links, member, "ip", "-s", "-j", "link", "show", "eth0"); err != nil {
			return drops{}, err
		}
		for _, l := range links {
			all.frames += l.Stats.RX.Dropped + l.Stats.TX.Dropped
		}
		var tcp struct {
			Kernel map[string]uint64
		}
		if err := r.ask(ctx, &tcp, member, "nstat", "-a", "-s", "-z", "-j", "TcpExtListenDrops", "TcpExtTCPReqQFullDrop"); err != nil {
			return drops{}, err
		}
		for _, n := range tcp.Kernel {
			all.accepts += n
		}
	}
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return drops{}, err
	}
	processors, err := proc.NetSoftnetStat()
	if err != nil {
		return drops{}, fmt.Errorf("count the frames that processors dropped: %w", err)
	}
	for _, p := range processors {
		all.queued += uint64(p.Dropped)
	}
	return all, nil
}

// ask runs a command on a member, and reads the JSON that it prints.
func (r *rig) ask(ctx context.Context, into any, member string, argv ...string) error {
	out, err := r.on(ctx, member, argv...)
	if err == nil {
		err = json.Unmarshal([]byte(out), into)
	}
	if err != nil {
		return fmt.Errorf("read the counters of %s: %w", member, err)
	}
	return nil
}
