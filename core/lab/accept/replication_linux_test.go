package accept_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// replicatedConfig is a mirror that replicates a folder, with a program in it that counts.
const replicatedConfig = `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE safe>
<safe>
  <service mode="mirror" maxloop="50">
    <heart timeout="1s"><heartbeat name="default"/></heart>
    <rfs sendtimeout="2s" scripts="on"><replicated dir="/srv/data"><notreplicated path="local"/></replicated></rfs>
    <user nicestoptimeout="30s" forcestoptimeout="30s" starttimeout="30s"/>
  </service>
</safe>
`

// counting writes one number after the other to the replicated folder, and notes outside of
// it each that it was told is on the disk.
const counting = `#!/bin/sh
cd /srv/data || exit 1
i=$(cat count 2>/dev/null || echo 1000000)
while :; do
	i=$((i + 1))
	printf '%d' $i | dd of=count conv=notrunc,fsync status=none || exit 1
	echo $i >>"$ORCHESTRATOR_HOME/acknowledged"
	echo $i >>grows
	[ $((i % 10)) = 0 ] && { mv -f names.$((i % 50)) names.$(((i + 10) % 50)) 2>/dev/null; echo $i >names.$((i % 50)); }
done
`

// callback notes what it is told of the replicated folder.
const callback = `echo "$1" >>"$ORCHESTRATOR_HOME/told"
`

// replicating makes a lab of two nodes with that mirror, prim on n1. Each has a file system of
// its own.
func replicating(t *testing.T, name string) *stage {
	t.Helper()
	wrapper := withDisk(t, `{ mkdir "$disk" && truncate -s 400M "$disk/image" && mkfs.ext4 -q -m 0 "$disk/image"; }`, `mount -o loop "$disk/image" /srv`)
	s := build(t, name, "pair", func(o *lab.Options) { o.Nodes, o.Program = 2, wrapper })
	s.configure(t, "n1", replicatedConfig)
	return s
}

// configure installs that mirror from a node, or gives it another configuration.
func (s *stage) configure(t *testing.T, node, config string) {
	t.Helper()
	archive := filepath.Join(s.root, "pair.safe")
	module := files{
		userconfig:             config,
		"bin/count":            counting,
		"bin/_rfs_callback.sh": callback,
		"bin/start_prim.lua":   `application("process", "count"):start { command = { "/bin/sh", ctx.dir .. "/bin/count" }, stop_timeout = "2s" }` + "\n",
		"bin/stop_prim.lua":    `application("process", "count"):stop { force = ctx.force, timeout = "10s" }` + "\n",
	}
	if err := os.WriteFile(archive, module.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, node, "module", "install", archive)
}

// inside is a path as a node's daemon sees it.
func (s *stage) inside(t *testing.T, node, path string) string {
	t.Helper()
	for _, n := range s.Status().Nodes {
		if n.Name == node {
			return filepath.Join("/proc", strconv.Itoa(n.PID), "root", path)
		}
	}
	t.Fatalf("there is no node %s", node)
	return ""
}

// number reads the last number in a file.
func number(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(b))
	n, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// acknowledged is what the program on a node was told is on the disk.
func (s *stage) acknowledged(t *testing.T, node string) int {
	t.Helper()
	for _, n := range s.Status().Nodes {
		if n.Name == node {
			return number(t, filepath.Join(n.Home, "acknowledged"))
		}
	}
	return 0
}

// isTold waits until the module's script on a node was told of something.
func (s *stage) isTold(t *testing.T, node, what string) {
	t.Helper()
	for _, n := range s.Status().Nodes {
		if n.Name == node {
			eventually(t, "the script on "+node+" is told "+what, func() string {
				b, err := os.ReadFile(filepath.Join(n.Home, "told"))
				if !slices.Contains(strings.Fields(string(b)), what) {
					return fmt.Sprintf("%q, %v", b, err)
				}
				return ""
			})
		}
	}
}

// failDisk makes the file system of a directory fail every operation from now on
// (FS_IOC_SHUTDOWN of linux/fs.h).
func failDisk(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), 0x8004587d, 2); err != nil {
		t.Fatalf("fail the disk of %s: %v", dir, err)
	}
}

// counts waits until the program on a node has counted on.
func (s *stage) counts(t *testing.T, node string) {
	t.Helper()
	var first int
	eventually(t, node+" counts", func() string {
		b, err := os.ReadFile(s.inside(t, node, "/srv/data/count"))
		n, _ := strconv.Atoi(string(b))
		if first == 0 {
			first = n
		}
		if err != nil || n < first+20 {
			return fmt.Sprintf("%q, %v", b, err)
		}
		return ""
	})
}

// verified fails unless both copies are the same.
func (s *stage) verified(t *testing.T, prim string) {
	t.Helper()
	for _, node := range both { // the secondary asks the primary
		if r := s.try(t, node, "mirror", "verify", s.module); r.code != 0 || !strings.Contains(r.out, "both copies are the same") {
			t.Errorf("verify on %s, %s is the primary: %s", node, prim, r.text())
		}
	}
}

// A program counts in a replicated folder while its nodes are killed: nothing that was
// acknowledged is lost, and a node that returns gets what changed, and little more.
func TestReplication(t *testing.T) {
	s := replicating(t, "accrepl")
	for _, node := range both {
		s.must(t, node, "true")
	}
	big := s.inside(t, "n1", "/srv/data")
	if err := os.MkdirAll(big, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big+"/big", make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "prim", s.module, "--node", "n1")
	s.roles(t, "n1", "n1", "ALONE")
	s.counts(t, "n1")
	s.do(t, "n2", "start", s.module, "--node", "n2")
	s.roles(t, "n1", "n1", "PRIM", "n2", "SECOND")
	s.isTold(t, "n2", "_rfs_startsynch")
	s.verified(t, "n1")
	for _, one := range []struct {
		name  string
		fault lab.Fault
	}{
		{"kill of the machine", lab.Fault{Verb: lab.Kill, All: true}},
		{"kill of the daemon", lab.Fault{Verb: lab.Kill}},
	} {
		t.Run(one.name, func(t *testing.T) {
			prim, second := s.paired(t)
			s.counts(t, prim)
			one.fault.Nodes = []string{prim}
			if err := s.Do(t.Context(), one.fault); err != nil {
				t.Fatal(err)
			}
			s.roles(t, second, second, "ALONE")
			told, has := s.acknowledged(t, prim), number(t, s.inside(t, second, "/srv/data/count"))
			if has < told {
				t.Errorf("%d was acknowledged on %s, and %s has %d", told, prim, second, has)
			}
			s.counts(t, second)
			s.fault(t, lab.Heal, false, prim)
			s.roles(t, second, prim, "SECOND", second, "PRIM")
			s.verified(t, second)
			if r := s.resync(t, second); r.Extent != "zones" || r.Sent > 4<<20 {
				t.Errorf("the return of %s copied %+v", prim, r)
			}
		})
	}
	t.Run("secondary lost in a restart", func(t *testing.T) { // the hooks wait for what is not acknowledged
		prim, second := s.paired(t)
		s.counts(t, prim)
		s.fault(t, lab.Kill, true, second)
		s.do(t, prim, "restart", s.module, "--node", prim)
		s.roles(t, prim, prim, "ALONE")
		s.counts(t, prim)
		s.fault(t, lab.Heal, false, second)
		s.roles(t, prim, prim, "PRIM", second, "SECOND")
	})
	t.Run("split", func(t *testing.T) {
		prim, second := s.paired(t)
		s.fault(t, lab.Cut, false, prim)
		s.roles(t, second, second, "ALONE")
		s.counts(t, second) // both do
		s.counts(t, prim)
		s.fault(t, lab.Heal, false, prim)
		kept, lost := s.paired(t)
		s.verified(t, kept)
		saved, err := filepath.Glob(s.inside(t, lost, "/srv/data_For_SafeKit_Replication/saved/*/count"))
		if err != nil || len(saved) != 1 {
			t.Errorf("what only %s had is in %q, %v", lost, saved, err)
		} else if told, has := s.acknowledged(t, lost), number(t, saved[0]); has < told {
			t.Errorf("%d was acknowledged on %s, and %d was set aside", told, lost, has)
		}
	})
	t.Run("replication cut", func(t *testing.T) { // and nothing else
		prim, second := s.paired(t)
		s.must(t, prim, "nft", `add table inet cut
			add chain inet cut in { type filter hook input priority 0; }
			add rule inet cut in tcp dport 4802 drop
			add rule inet cut in tcp sport 4802 drop`)
		s.roles(t, prim, prim, "ALONE", second, "WAIT")
		s.counts(t, prim)
		s.must(t, prim, "nft", "delete table inet cut")
		s.roles(t, prim, prim, "PRIM", second, "SECOND")
		s.verified(t, prim)
	})
	t.Run("swap", func(t *testing.T) {
		prim, second := s.paired(t)
		s.do(t, prim, "swap", s.module)
		s.roles(t, second, prim, "SECOND", second, "PRIM")
		s.isTold(t, prim, "_rfs_pritoscd")
		s.counts(t, second)
		s.verified(t, second)
		if has := number(t, s.inside(t, prim, "/srv/data/count")); has == 0 { // where nobody can write
			t.Errorf("%s reads %d", prim, has)
		}
	})
	t.Run("failing disk", func(t *testing.T) {
		prim, second := s.paired(t)
		s.counts(t, prim)
		failDisk(t, s.inside(t, prim, "/srv"))
		s.roles(t, second, second, "ALONE")
		if told, has := s.acknowledged(t, prim), number(t, s.inside(t, second, "/srv/data/count")); has < told {
			t.Errorf("%d was acknowledged on %s, and %s has %d", told, prim, second, has)
		}
		s.counts(t, second)
		if log := s.do(t, prim, "log", s.module, "--grep", "rfs.disk"); !strings.Contains(log, "input/output error") {
			t.Errorf("the journal does not tell why: %s", log)
		}
		s.fault(t, lab.Kill, true, prim) // and it gets another one, of which the old one's files are
		s.fault(t, lab.Heal, false, prim)
		s.roles(t, second, prim, "SECOND", second, "PRIM")
		s.verified(t, second)
	})
	t.Run("another configuration", func(t *testing.T) { // while it runs
		prim, second := s.paired(t)
		local := func(node, file string) string {
			return s.inside(t, node, "/srv/data_For_SafeKit_Replication/data/local/"+file)
		}
		if err := os.MkdirAll(s.inside(t, prim, "/srv/data/local"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.inside(t, prim, "/srv/data/local/f"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.counts(t, prim)
		if _, err := os.Stat(local(second, "f")); err == nil {
			t.Error("what is each server's own was copied")
		}
		s.configure(t, prim, strings.Replace(replicatedConfig, `<notreplicated path="local"/>`, ``, 1))
		eventually(t, "what is replicated now was copied", func() string {
			if _, err := os.Stat(local(second, "f")); err != nil {
				return err.Error()
			}
			return ""
		})
		s.roles(t, prim, prim, "PRIM", second, "SECOND")
		s.verified(t, prim)
		s.configure(t, prim, strings.Replace(replicatedConfig, `<rfs `, `<rfs syncat="0 0 1 1 *" `, 1))
		s.roles(t, prim, prim, "ALONE", second, "WAIT")
		s.counts(t, prim)
		told := s.acknowledged(t, prim)
		if has := number(t, s.inside(t, second, "/srv/data_For_SafeKit_Replication/data/count")); has >= told {
			t.Errorf("%s waits and has %d of %d", second, has, told)
		}
		s.do(t, second, "resource", "set", s.module, "rfs.syncat", "up")
		eventually(t, second+" was synchronised", func() string {
			if has := number(t, s.inside(t, second, "/srv/data_For_SafeKit_Replication/data/count")); has < told {
				return fmt.Sprintf("it has %d of %d", has, told)
			}
			return ""
		})
		s.roles(t, prim, prim, "ALONE", second, "WAIT")
		s.configure(t, prim, replicatedConfig)
		s.roles(t, prim, prim, "PRIM", second, "SECOND")
		s.verified(t, prim)
	})
	s.do(t, "n1", "stop", s.module)
	last := number(t, s.inside(t, "n1", "/srv/data_For_SafeKit_Replication/data/count"))
	s.do(t, "n1", "module", "uninstall", s.module)
	for _, node := range both {
		eventually(t, node+" has its files back", func() string {
			b, err := os.ReadFile(s.inside(t, node, "/srv/data/count"))
			if string(b) != strconv.Itoa(last) {
				return fmt.Sprintf("%q instead of %d, %v", b, last, err)
			}
			return ""
		})
	}
}

// resync is the last resynchronisation from a node.
func (s *stage) resync(t *testing.T, node string) (r struct {
	Extent string
	Sent   int64
}) {
	t.Helper()
	type answer struct {
		Modules []struct {
			Nodes []struct {
				Node string
				Pair struct {
					Replication struct{ Resync json.RawMessage }
				}
			}
		}
	}
	for _, n := range ask[answer](t, s, node, "status").Modules[0].Nodes {
		if n.Node == node {
			if err := json.Unmarshal(n.Pair.Replication.Resync, &r); err != nil {
				t.Error(err)
			}
		}
	}
	return r
}
