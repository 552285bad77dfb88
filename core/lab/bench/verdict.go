package main

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// verdict measures what the packet filter costs, with the filter's own benchmarks.
func verdict(ctx context.Context, b *bench) error {
	costs, tables := map[string][]float64{}, []float64{}
	for range min(3, b.runs) {
		lines, err := goBench(ctx, "./plugins/filter/ebpf", "^(BenchmarkVerdict|BenchmarkSetTable)$", "1s")
		if err != nil {
			return err
		}
		for name, values := range lines {
			if one, ok := strings.CutPrefix(name, "BenchmarkVerdict/"); ok {
				costs[one] = append(costs[one], values["ns/packet"])
			}
		}
		tables = append(tables, lines["BenchmarkSetTable"]["ns/op"]/1e6)
	}
	for _, name := range slices.Sorted(maps.Keys(costs)) {
		b.add(Figure{ID: "verdict." + name, Name: "the filter's time for a packet: " + strings.ReplaceAll(name, "-", " "), Unit: "ns", Values: costs[name]})
	}
	b.add(Figure{ID: "table", Name: "a change of all 4096 rows, until it is in force", Unit: "ms", Values: tables})
	return nil
}
