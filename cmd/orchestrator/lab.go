package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
)

const labLong = `The lab is a whole cluster on this one Linux machine: servers, a client and the switch
between them, each in a network namespace of its own. The machine's own network is
not touched. Kill servers, cut cables, and see what clients notice. Needs root.

docs/lab.md tells more.`

const labExample = `  orchestrator lab up --nodes 3
  orchestrator lab exec n1 -- orchestrator module install web_farm.safe --set VIRTUAL_IP=10.77.0.100
  orchestrator lab exec n1 -- orchestrator start web_farm
  orchestrator lab load --duration 30s &
  orchestrator lab kill --all n2
  orchestrator lab heal n2
  orchestrator lab down`

// place says which lab is meant.
type place struct{ root, name string }

func (p *place) add(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&p.root, "root", lab.DefaultRoot, "folder that holds the labs' folders")
	c.Flags().StringVar(&p.name, "name", lab.DefaultName, "`NAME` of the lab")
	return c
}

func labCommand(a *app) *cobra.Command {
	c := noun("lab", "A whole cluster on this machine, to try things out", labLong,
		labUp(a), labDown(a), labStatus(a), labList(a), labExec(a),
		faultCommand(a, lab.Kill), faultCommand(a, lab.Stop), faultCommand(a, lab.Pause), faultCommand(a, lab.Resume),
		faultCommand(a, lab.Cut), faultCommand(a, lab.Unplug), faultCommand(a, lab.Heal), labPartition(a),
		labLoad(a), labDemo(a), labHold(a))
	c.Example = labExample
	return c
}

// labHooks are the parts of a lab's options that only this program can fill in.
func labHooks(log *slog.Logger, progress func(string)) lab.Options {
	o := lab.Options{CleanNode: cleanPins, Log: log, Progress: progress}
	if os.Getenv(envAttach) == "xdp-native" {
		o.AttachPass = ebpf.AttachPass // for the nodes, which inherit the variable
	}
	return o
}

// labOptions are labHooks, and this program for the nodes.
func labOptions(p place, progress func(string)) (lab.Options, error) {
	program, err := os.Executable()
	if err != nil {
		return lab.Options{}, fmt.Errorf("find the program's own file: %w", err)
	}
	o := labHooks(nil, progress)
	o.Root, o.Name, o.Program = p.root, p.name, program
	return o, nil
}
