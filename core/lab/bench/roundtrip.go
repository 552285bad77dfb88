package main

import (
	"context"
	"fmt"
)

// roundtrip measures what the farm itself adds to a request: one thread is client and server,
// so neither the number of servers nor what else the machine does counts (BenchmarkRoundTrip). Of three
// requests that come in at a server, two are another one's and sent on.
func roundtrip(ctx context.Context, b *bench) error {
	costs := map[string][]float64{}
	for range min(5, b.runs) {
		lines, err := goBench(ctx, filterPackage, "^BenchmarkRoundTrip$", "1s")
		if err != nil {
			return err
		}
		for name := range lines {
			cost, err := lines.value(name, "cpu-ns/request")
			if err != nil {
				return err
			}
			costs[name] = append(costs[name], cost/1000)
		}
	}
	for _, how := range []struct{ id, name string }{{"tcx", "tcx, as in the lab"}, {"xdp-native", "XDP"}} {
		for _, kind := range []struct{ id, name string }{{"kept", "keep-alive"}, {"new", "a connection each"}} {
			at := func(way string) []float64 { return costs["BenchmarkRoundTrip/"+how.id+"/"+way+"/"+kind.id] }
			own, forwarded := at("own"), at("forwarded")
			farm := make([]float64, min(len(own), len(forwarded)))
			for i := range farm {
				farm[i] = (own[i] + 2*forwarded[i]) / 3
			}
			b.add(Figure{
				ID: "roundtrip." + how.id + "." + kind.id, Unit: "µs", Values: farm, Target: against(0.85),
				Name: fmt.Sprintf("CPU of a request without the programs' work, %s, filter by %s, beside a server's own address", kind.name, how.name),
				Peer: &Peer{Name: "the server's own address", Values: at("plain")},
				Note: fmt.Sprintf("A request that comes in at its own server: %s µs; one that is sent on: %s µs.", short(median(own)), short(median(forwarded))),
			})
		}
	}
	return nil
}
