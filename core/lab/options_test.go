package lab

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlaceOwnsItsNamespacesOnly(t *testing.T) {
	p := place{name: "lab"}
	for name, want := range map[string]bool{
		"orch-lab-n1": true, "orch-lab-n32": true, "orch-lab-client": true, "orch-lab-switch": true, "orch-lab-router": true, "orch-lab-far": true,
		"orch-lab-n0": false, "orch-lab-n33": false, "orch-lab-n01": false, "orch-lab-": false, "orch-lab-x": false,
		"orch-lab2-n1": false, "orch-la-n1": false, "lab-n1": false, "orch-lab-n1-n1": false,
	} {
		if got := p.owns(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	program, err := filepath.Abs("orchestrator")
	if err != nil {
		t.Fatal(err)
	}
	for text, o := range map[string]Options{
		"lab name":     {Program: program, Name: "a-b"},
		"1 to 32":      {Program: program, Nodes: 33},
		"absolute":     {Program: "orchestrator"},
		"0 to 16":      {Program: program, ClientAddresses: 17},
		"an MTU":       {Program: program, MTU: 1000},
		"1 or 2":       {Program: program, Networks: 3},
		"host port":    {Program: program, HostPort: 70000},
		"too deep for": {Program: program, Root: "/" + strings.Repeat("d", 90)},
	} {
		if _, err := o.complete(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	o, err := Options{Program: program}.complete()
	if err != nil || o.Name != "lab" || o.Nodes != 3 || o.Args[0] != "daemon" {
		t.Errorf("defaults: %+v %v", o, err)
	}
}

func TestParsePartition(t *testing.T) {
	got, err := ParsePartition(" n1, n2 |n3,client")
	if err != nil {
		t.Fatal(err)
	}
	want := Fault{Verb: Partition, Groups: [][]string{{"n1", "n2"}, {"n3", "client"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ParsePartition("n1||n2"); err == nil {
		t.Error("an empty side is accepted")
	}
}

func TestFaultsAreChecked(t *testing.T) {
	good := []Fault{
		{Verb: Kill, Nodes: []string{"n3"}}, {Verb: Cut, Nodes: []string{"client"}}, {Verb: Heal},
		{Verb: Partition, Groups: [][]string{{"n1"}, {"n2", "client"}}},
	}
	for _, f := range good {
		if err := f.check(3, 1); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for text, f := range map[string]Fault{
		"kill which node":    {Verb: Kill},
		"cut which cable":    {Verb: Cut},
		`no node "n4"`:       {Verb: Pause, Nodes: []string{"n4"}},
		`no node "client"`:   {Verb: Kill, Nodes: []string{"client"}},
		"no network 2":       {Verb: Cut, Nodes: []string{"n1"}, Network: 2},
		"unknown fault":      {Verb: "melt", Nodes: []string{"n1"}},
		"two sides":          {Verb: Partition, Groups: [][]string{{"n1"}}},
		"n1 is named on two": {Verb: Partition, Groups: [][]string{{"n1"}, {"n1"}}},
		`no node "n9"`:       {Verb: Partition, Groups: [][]string{{"n1"}, {"n9"}}},
	} {
		if err := f.check(3, 1); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
