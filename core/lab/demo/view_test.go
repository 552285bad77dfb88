package demo

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected files in testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-update rewrites it):\n%s", path, diff)
	}
}

var calm = View{
	Address: "10.77.0.100:80", Title: "All is well", Elapsed: 12 * time.Second, Answered: 300, Open: 60,
	Rows: []Row{
		{Node: "n1", State: "UP", Share: 0.341, New: 102, Open: 20},
		{Node: "n2", State: "UP", Share: 0.325, New: 98, Open: 19},
		{Node: "n3", State: "UP", Share: 0.334, New: 100, Open: 21},
	},
}

var killed = View{
	Address: "10.77.0.100:80", Title: "Act 1: n2 dies", Elapsed: 83 * time.Second, Answered: 291, Failed: 9, OutageMS: 84.6, Requests: 9,
	Open: 60, Broken: 19,
	Rows: []Row{
		{Node: "n1", State: "UP", Share: 0.51, New: 148, Open: 30},
		{Node: "n2", State: "UP", Mark: "killed"},
		{Node: "n3", State: "WAIT …", Share: 1, New: 143, Open: 30},
	},
}

func TestViewText(t *testing.T) {
	golden(t, "calm.golden", calm.Text(false))
	golden(t, "killed.golden", killed.Text(false))
	golden(t, "killed-color.golden", killed.Text(true))
}
