package replication

import (
	"bufio"
	"os"
	"os/exec"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/primary"
)

// A primary that was killed leaves its mount and the cover of its data; it becomes
// secondary all the same.
func TestKilledPrimaryFollows(t *testing.T) {
	if dir := os.Getenv("SERVE_FOLDER"); dir != "" {
		serveUntilKilled(t, Place{dir, "_behind"})
	}
	a, b := newPair(t, 1)
	must(t, os.WriteFile(b.dirs[0]+"/old", []byte("old"), 0o600))
	must(t, Place{b.dirs[0], "_behind"}.Prepare())
	killed := exec.Command(os.Args[0], "-test.run=TestKilledPrimaryFollows")
	killed.Env = append(os.Environ(), "SERVE_FOLDER="+b.dirs[0])
	out, err := killed.StdoutPipe()
	must(t, err)
	must(t, killed.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "serving\n" {
		t.Fatalf("%q, %v", line, err)
	}
	must(t, killed.Process.Kill())
	_ = killed.Wait()
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, "echo new >new")
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	b.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
	must(t, b.order(Order{Replica: core.ReplicateStop}))
	if list, err := os.ReadDir(b.dirs[0]); err != nil || len(list) > 0 {
		t.Errorf("the folder of the secondary holds %v, %v", list, err)
	}
}

// nobody takes what is recorded.
type nobody struct{ primary.Folder }

func serveUntilKilled(t *testing.T, p Place) {
	_, err := fs.Start(fs.Options{Dir: p.Dir, Backing: p.Data()}, &nobody{})
	must(t, err)
	_, _ = os.Stdout.WriteString("serving\n")
	select {}
}
