package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// benchmark measures some figures. What it could measure before an error counts.
type benchmark struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var benchmarks = []benchmark{
	{"outage", outages},
	{"keepalived", keepalived},
	{"pgmirror", pgMirror},
	{"mirrordb", mirrorDB},
	{"mirrorfs", mirrorFS},
	{"mirrormemory", manyFiles},
	{"idle", idle},
	{"ready", ready},
	{"hooks", hooks},
	{"checks", checks},
	{"falsealarm", falseAlarms},
	{"verdict", verdict},
	{"live", live},
	{"roundtrip", roundtrip},
	{"requests", requests},
	{"moves", moves},
	{"movepeers", movesOfPeers},
}

// allCases are the searches for false alarms: nodes x busy processes.
const allCases = "3x4,7x4,3x100,7x100"

// bench is what the benchmarks share.
type bench struct {
	program string // absolute path
	root    string // folder for labs and files
	runs    int
	minutes float64
	cases   string // of the search for false alarms: nodes x busy processes
	name    string // of the benchmark that runs
	doc     Document
}

// add judges a figure and takes it into the document.
func (b *bench) add(f Figure) {
	f.Benchmark = b.name
	f.judge()
	b.doc.Figures = append(b.doc.Figures, f)
	b.say("%s: %s [target %s, met: %s]", f.Name, f.measured(), f.target(), f.verdict())
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %s: %s\n", time.Now().Format("15:04:05"), b.name, fmt.Sprintf(format, args...))
}

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			role(os.Args[2:])
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	program := flag.String("program", "", "the orchestrator's binary; when empty, make build makes bin/orchestrator from this source first")
	out := flag.String("json", "docs/benchmarks.json", "file for the figures; those of benchmarks that do not run now are kept")
	table := flag.String("table", "", "Markdown file with a place for the table of the figures")
	render := flag.Bool("render", false, "measure nothing: write the page anew from the figures that are kept")
	only := flag.String("only", "", "benchmarks to run, separated by commas; all when empty: "+strings.Join(names(), ","))
	b := &bench{}
	flag.IntVar(&b.runs, "runs", 10, "runs of what is repeated")
	flag.Float64Var(&b.minutes, "minutes", 10, "how long each search for false alarms lasts")
	flag.StringVar(&b.cases, "cases", allCases, "searches for false alarms: nodes x busy processes")
	flag.Parse()
	if *render {
		return b.write(*out, *table, nil)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if b.program, err = built(ctx, *program); err != nil {
		return err
	}
	if b.root, err = os.MkdirTemp("", "orch-bench"); err != nil {
		return fmt.Errorf("make a folder for the labs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.root)) }()
	b.doc.Machine = thisMachine()
	var whole []string
	for _, one := range chosen {
		b.name = one.name
		b.say("begins; load %s", loadAverage())
		if failed := one.run(ctx, b); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", one.name, failed))
		} else if one.name != "falsealarm" || b.cases == allCases {
			whole = append(whole, one.name)
		}
		if ctx.Err() != nil {
			return errors.Join(err, errors.New("interrupted: nothing is written"))
		}
	}
	return errors.Join(err, b.write(*out, *table, whole))
}

// built is the absolute path of the program to measure. A binary that lies there from
// earlier would be measured as this source's.
func built(ctx context.Context, program string) (string, error) {
	if program == "" {
		program = "bin/orchestrator"
		if out, err := exec.CommandContext(ctx, "make", "-s", "build").CombinedOutput(); err != nil {
			return "", fmt.Errorf("make build (the benchmarks run in the repository's root): %w\n%s", err, out)
		}
	}
	path, err := filepath.Abs(program)
	if err != nil {
		return "", fmt.Errorf("find the program: %w", err)
	}
	return path, nil
}

func names() []string {
	var list []string
	for _, one := range benchmarks {
		list = append(list, one.name)
	}
	return list
}

func choose(only string) ([]benchmark, error) {
	if only == "" {
		return benchmarks, nil
	}
	var chosen []benchmark
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("no benchmark %q: there are %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, benchmarks[i])
	}
	return chosen, nil
}

// write keeps what was measured earlier, but for the benchmarks that ran as a whole.
func (b *bench) write(out, table string, whole []string) error {
	earlier, err := readDocument(out)
	if err != nil {
		return err
	}
	if b.doc.Machine == (Machine{}) { // nothing was measured
		b.doc.Machine = earlier.Machine
	}
	b.doc.keep(earlier, whole)
	text, err := json.MarshalIndent(b.doc, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("make the folder for the figures: %w", err)
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if table == "" {
		fmt.Print(b.doc.table())
		return nil
	}
	page, err := os.ReadFile(table)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the page for the table: %w", err)
	}
	if err := os.WriteFile(table, []byte(insertTable(string(page), b.doc.table())), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
