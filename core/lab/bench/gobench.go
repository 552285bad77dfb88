package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// measurements are what go test -bench has measured, by name (without the number of
// processors) and unit.
type measurements map[string]map[string]float64

// value is one of them. What is not there, e.g. because the benchmark has another name now, is
// an error, and no 0.
func (m measurements) value(name, unit string) (float64, error) {
	v, ok := m[name][unit]
	if !ok {
		return 0, fmt.Errorf("%s has not measured %s: it measured %v", name, unit, m[name])
	}
	return v, nil
}

// goBench runs a package's benchmarks.
func goBench(ctx context.Context, pkg, pattern, duration string) (measurements, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", duration, "-timeout", "0", pkg).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench %s %s: %w: %s", pattern, pkg, err, out)
	}
	lines := parseBench(string(out))
	if len(lines) == 0 {
		return nil, fmt.Errorf("go test -bench %s %s measured nothing: %s", pattern, pkg, out)
	}
	return lines, nil
}

// parseBench reads lines as go test writes them: a name, the number of runs, and
// pairs of a value and its unit.
func parseBench(text string) measurements {
	found := measurements{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		values := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				values[fields[i+1]] = v
			}
		}
		found[name] = values
	}
	return found
}
