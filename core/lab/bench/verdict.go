package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const filterPackage = "./plugins/filter/ebpf"

// verdictTargets are what the filter promises for a frame, in ns: the rest is only
// shown.
var verdictTargets = map[string]float64{
	"accept-settled": 40, "forward-settled": 40, "drop-no-rule": 40,
	"accept-socket": 70, "search-miss": 70,
}

// verdict measures what the packet filter costs, with the filter's own benchmarks.
func verdict(ctx context.Context, b *bench) error {
	costs, growth, tables := map[string][]float64{}, map[string][]float64{}, []float64{}
	for range min(3, b.runs) {
		lines, err := goBench(ctx, filterPackage, "^(BenchmarkVerdict|BenchmarkGrowth|BenchmarkCrowd|BenchmarkSetTable)$", "1s")
		if err != nil {
			return err
		}
		for name := range lines {
			if one, ok := strings.CutPrefix(name, "BenchmarkVerdict/"); ok {
				cost, err := lines.value(name, "ns/packet")
				if err != nil {
					return err
				}
				costs[one] = append(costs[one], cost)
			}
		}
		for what, ratio := range growths(lines) {
			growth[what] = append(growth[what], ratio)
		}
		table, err := lines.value("BenchmarkSetTable", "ns/op")
		if err != nil {
			return err
		}
		tables = append(tables, table/1e6)
	}
	for _, name := range slices.Sorted(maps.Keys(costs)) {
		f := Figure{ID: "verdict." + name, Name: "the filter's time for a packet: " + strings.ReplaceAll(name, "-", " "), Unit: "ns", Values: costs[name]}
		if limit, ok := verdictTargets[name]; ok {
			f.Target = always(limit)
		}
		b.add(f)
	}
	for _, what := range slices.Sorted(maps.Keys(growth)) {
		b.add(Figure{ID: "growth." + what, Name: "growth of a packet's cost: " + what, Unit: "times", Target: always(1.3), Values: growth[what]})
	}
	b.add(Figure{ID: "table", Name: "a change of all 4096 rows, until it is in force", Unit: "ms", Target: always(5), Values: tables})
	return nil
}

// growths reads BenchmarkGrowth/WHAT-NUMBER and BenchmarkCrowd/WHAT-NUMBER: the largest cost by that of the smallest
// number, by WHAT and the numbers.
func growths(lines measurements) map[string]float64 {
	costs := map[string]map[int]float64{}
	for name, values := range lines {
		kind, one, ok := strings.Cut(strings.ReplaceAll(name, "_", " "), "/")
		ok = ok && (kind == "BenchmarkGrowth" || kind == "BenchmarkCrowd")
		at := strings.LastIndexByte(one, '-')
		if !ok || at < 0 {
			continue
		}
		number, err := strconv.Atoi(one[at+1:])
		if err != nil {
			continue
		}
		if costs[one[:at]] == nil {
			costs[one[:at]] = map[int]float64{}
		}
		costs[one[:at]][number] = values["ns/packet"]
	}
	ratios := map[string]float64{}
	for what, by := range costs {
		numbers := slices.Sorted(maps.Keys(by))
		if first := by[numbers[0]]; first > 0 && len(numbers) > 1 {
			name := fmt.Sprintf("%d to %d %s", numbers[0], numbers[len(numbers)-1], what)
			ratios[name] = slices.Max(slices.Collect(maps.Values(by))) / first
		}
	}
	return ratios
}
