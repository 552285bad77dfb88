package main

import "context"

// live measures what a frame that is somebody else's costs on the way from a device,
// beside what peers take for the same decision. All of one run are measured in turn,
// over veths of one namespace (BenchmarkLiveFrames).
func live(ctx context.Context, b *bench) error {
	const (
		filter, forward = "filter-ns", "forward-ns"
		floor           = "floor-ns"
	)
	peers := map[string]Peer{"xt_cluster-ns": {Name: "xt_cluster"}, "nftables-ns": {Name: "nftables jhash"}}
	var floors, drops, forwards []float64
	for range min(5, b.runs) {
		lines, err := goBench(ctx, filterPackage, "^BenchmarkLiveFrames$", "15s")
		if err != nil {
			return err
		}
		for _, metric := range []string{floor, filter, forward} {
			if _, err := lines.value("BenchmarkLiveFrames", metric); err != nil {
				return err
			}
		}
		ns := lines["BenchmarkLiveFrames"]
		floors = append(floors, ns[floor])
		drops = append(drops, ns[filter]-ns[floor])
		forwards = append(forwards, ns[forward]/ns[floor])
		for metric, p := range peers {
			if took, ok := ns[metric]; ok {
				p.Values = append(p.Values, took-ns[floor])
				peers[metric] = p
			}
		}
	}
	b.add(Figure{ID: "live.floor", Name: "a frame made, sent to a veth and dropped by the shortest XDP program (the floor)", Unit: "ns", Values: floors})
	for _, one := range []struct {
		metric string
		ratio  float64
	}{{"xt_cluster-ns", 10}, {"nftables-ns", 5}} {
		p := peers[one.metric]
		f := Figure{ID: "live.drop." + p.Name, Name: "drop of a frame over the floor, beside " + p.Name, Unit: "ns", Target: against(one.ratio), Values: drops,
			Note: "The median of the differences to the floor beside it, on the same device."}
		if len(p.Values) > 0 {
			f.Peer = &p
		} else {
			f.Note += " " + p.Name + " could not be measured on this machine; go test -v -run '^$' -bench LiveFrames " + filterPackage + " says why."
		}
		b.add(f)
	}
	b.add(Figure{ID: "live.forward", Name: "a frame sent on by XDP_TX, in floors", Unit: "times", Target: always(2), Values: forwards})
	return nil
}
