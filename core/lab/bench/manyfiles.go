package main

import "context"

// manyFiles measures what replication needs in memory for a million files: first copy, a look
// at all, changes while the secondary is away, its return, and a comparison.
func manyFiles(ctx context.Context, b *bench) error {
	lines, err := goBench(ctx, "./core/mirror/replication", "^BenchmarkManyFiles$", "1x")
	if err != nil {
		return err
	}
	memory, err := lines.value("BenchmarkManyFiles", "MiB")
	if err != nil {
		return err
	}
	b.add(Figure{
		ID: "mirrormemory.million", Name: "memory for the replication of a folder with a million files, both nodes in one process", Unit: "MiB", Target: always(256),
		Values: []float64{memory}, Note: "The largest heap of the daemon's part, what the kernel keeps of the files not included.",
	})
	return nil
}
