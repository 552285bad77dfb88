package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// manyFiles measures what replication needs in memory for a million files, half of them in one
// folder: first copy, a look at all, comparisons, changes while the secondary is away, its return.
func manyFiles(ctx context.Context, b *bench) error {
	lines, err := goBench(ctx, "./core/mirror/replication", "^BenchmarkManyFiles$/^half$", "1x")
	if err != nil {
		return err
	}
	const name = "BenchmarkManyFiles/half"
	memory, err := lines.value(name, "MiB")
	if err != nil {
		return err
	}
	var phases []string
	for _, unit := range slices.Sorted(maps.Keys(lines[name])) {
		if what, ok := strings.CutSuffix(unit, "-MiB"); ok {
			phases = append(phases, fmt.Sprintf("%s %s", strings.ReplaceAll(what, "-", " "), short(lines[name][unit])))
		}
	}
	b.add(Figure{
		ID: "mirrormemory.million", Name: "memory for the replication of a folder with a million files, both nodes in one process", Unit: "MiB", Target: always(256),
		Values: []float64{memory}, Note: "The most that the process had for itself, besides the program; what the kernel keeps of the files not included. By what was done: " + strings.Join(phases, ", ") + ".",
	})
	return nil
}
