package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

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

// drops reads the counters of all members.
func (r *rig) drops(ctx context.Context) (drops, error) {
	var all drops
	for _, member := range append([]string{lab.Client}, r.nodes...) {
		out, err := r.on(ctx, member, "ip", "-s", "-j", "link", "show", "eth0")
		if err != nil {
			return drops{}, err
		}
		var links []struct {
			Stats struct {
				RX struct {
					Dropped uint64 `json:"dropped"`
				} `json:"rx"`
				TX struct {
					Dropped uint64 `json:"dropped"`
				} `json:"tx"`
			} `json:"stats64"`
		}
		if err := json.Unmarshal([]byte(out), &links); err != nil {
			return drops{}, fmt.Errorf("read the counters of %s: %w", member, err)
		}
		for _, l := range links {
			all.frames += l.Stats.RX.Dropped + l.Stats.TX.Dropped
		}
		if out, err = r.on(ctx, member, "cat", "/proc/net/netstat"); err != nil {
			return drops{}, err
		}
		all.accepts += netstat(out, "TcpExt:", "ListenDrops") + netstat(out, "TcpExt:", "TCPReqQFullDrop")
	}
	raw, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return drops{}, fmt.Errorf("count the frames that processors dropped: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			n, err := strconv.ParseUint(fields[1], 16, 64)
			if err != nil {
				return drops{}, fmt.Errorf("count the frames that processors dropped: %w", err)
			}
			all.queued += n
		}
	}
	return all, nil
}

// netstat finds a counter in /proc/net/netstat: a line of names, then one of values.
func netstat(text, section, name string) uint64 {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != section {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, n := range names {
			if n == name && i < len(fields) {
				v, _ := strconv.ParseUint(fields[i], 10, 64) // what is no number counts as none
				return v
			}
		}
	}
	return 0
}
