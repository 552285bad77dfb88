package accept_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// smallDisk makes a server's disk a file system of its own, which can be full.
const smallDisk = `{ mkdir "$disk" && truncate -s 600M "$disk.img" && mkfs.ext4 -q -m 0 "$disk.img" && mount -o loop "$disk.img" "$disk" && cp -a %s/. "$disk"; }`

// accounts are moved money between by each transaction, which also notes its own number.
var accounts = []string{
	"create role app login password 'secret'",
	"create table sums (i bigint primary key)",
	"create table accounts (a int primary key, balance bigint not null)",
	"insert into accounts select a, 0 from generate_series(0, 99) a",
	"grant all on sums, accounts to app",
}

// transfer is a client: transactions one after the other; what is acknowledged it notes.
const transfer = `i=$1 told=$2; shift 2
while :; do
	i=$((i + 1))
	timeout 20 "$@" "update accounts set balance = balance - $i where a = $((i % 97)); update accounts set balance = balance + $i where a = $((i % 97 + 1 + i % 3)); insert into sums values ($i)" 2>/dev/null && echo $i >>"$told"
done
`

// chaos is a database under clients, on two servers that fail at random.
type chaos struct {
	*stage
	t     *testing.T
	d     database
	rng   *rand.Rand
	dir   string // the clients' notes
	done  sync.WaitGroup
	dead  map[string]bool // killed and not healed
	kinds map[string]int
	saved int // starts by an operator
}

// begin lets clients work until the function that it answers is called.
func (c *chaos) begin(clients int) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	for k := range clients {
		told := filepath.Join(c.dir, strconv.Itoa(k))
		argv := append([]string{"/bin/sh", "-c", transfer, "sh", strconv.Itoa((k + 1) * 10_000_000), told}, c.d.client...)
		c.done.Go(func() {
			_ = lab.Exec(ctx, c.root, c.name, lab.Client, argv, lab.Stdio{}) // it is ended by force
		})
	}
	stop = func() { cancel(); c.done.Wait() }
	c.t.Cleanup(stop)
	return stop
}

// told is what the clients were told is committed.
func (c *chaos) told() (all []string) {
	c.t.Helper()
	notes, err := filepath.Glob(c.dir + "/*")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range notes {
		raw, err := os.ReadFile(n)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, strings.Fields(string(raw))...)
	}
	return all
}

// commits waits until the clients have been told of more commits.
func (c *chaos) commits(what string) {
	c.t.Helper()
	before := len(c.told())
	if why := within(c.t, 2*patient, func() string {
		if n := len(c.told()); n < before+10 {
			return fmt.Sprintf("%d commits after %d; %+v", n, before, c.status(c.t, "n1", c.module))
		}
		return ""
	}); why != "" {
		c.t.Fatalf("%s: %s", what, why)
	}
}

// checks fails unless what the clients were told is there, and no money was lost.
func (c *chaos) checks() {
	c.t.Helper()
	told := c.told() // before what is there is read
	query := append(c.d.client, "select i from sums union all select sum(balance) from accounts")
	var out string
	if why := within(c.t, patient, func() string {
		r := c.call(c.t, lab.Client, query[0], query[1:]...)
		out = r.out
		if r.code != 0 {
			return r.text()
		}
		return ""
	}); why != "" {
		c.t.Fatalf("read all: %s", why)
	}
	lines := strings.Fields(out)
	if sum := lines[len(lines)-1]; sum != "0" {
		c.t.Errorf("the sum of the accounts is %s: a transaction is there in part", sum)
	}
	has := map[string]bool{}
	for _, i := range lines[:len(lines)-1] {
		has[i] = true
	}
	lost := 0
	for _, i := range told {
		if !has[i] {
			if lost++; lost < 10 {
				c.t.Errorf("%s was told to be committed, and is lost", i)
			}
		}
	}
	if lost > 0 {
		c.t.Fatalf("%d of %d commits are lost", lost, len(told))
	}
}

// strike does something at random to a node, or to both.
func (c *chaos) strike() {
	c.t.Helper()
	node := both[c.rng.IntN(2)]
	nodes, all, verb := []string{node}, c.rng.IntN(2) == 0, lab.Kill
	kind := c.rng.IntN(6)
	switch kind {
	case 0, 1:
	case 2:
		verb, all = lab.Cut, false
	case 3:
		verb = lab.Pause
	case 4:
		c.kinds["disk full"]++
		c.t.Logf("the disk of %s is full", node)
		c.fill(node)
		return
	case 5:
		nodes, all = both, true
	}
	var living []string
	for _, n := range nodes {
		if !c.dead[n] || verb == lab.Cut {
			living = append(living, n)
			c.dead[n] = verb == lab.Kill || c.dead[n]
		}
	}
	if len(living) == 0 {
		return
	}
	what := fmt.Sprintf("%s of %s", verb, map[bool]string{true: "the node", false: "the daemon"}[all])
	switch {
	case verb == lab.Cut:
		what = "cut"
	case kind == 5:
		what = "kill of both"
	}
	c.kinds[what]++
	c.t.Logf("%s: %v", what, living)
	c.fault(c.t, verb, all, living...)
}

// disk is where a server's disk is mounted.
func (c *chaos) disk(node string) string { return filepath.Join(c.root, c.name, node, "home", "disk") }

// fill leaves no room on a server's disk.
func (c *chaos) fill(node string) {
	c.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(c.disk(node), &st); err != nil {
		c.t.Fatal(err)
	}
	f, err := os.OpenFile(c.disk(node)+"/filler", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	for size := int64(st.Bavail) * st.Bsize; size >= 4096; size /= 2 {
		end, _ := f.Seek(0, 2)
		_ = unix.Fallocate(int(f.Fd()), 0, end, size) // as much as there is
	}
}

// heal ends all faults, and does what an operator would where a node has given up.
func (c *chaos) heal() {
	c.t.Helper()
	for _, n := range both {
		if err := os.RemoveAll(c.disk(n) + "/filler"); err != nil {
			c.t.Fatal(err)
		}
	}
	c.fault(c.t, lab.Heal, false)
	clear(c.dead)
	began := map[string]time.Time{} // when it was seen to be stopped first
	why := within(c.t, 4*patient, func() string {
		all := c.status(c.t, "n1", c.module)
		a, b := all["n1"], all["n2"]
		for _, n := range both {
			if all[n].State != "STOP" {
				delete(began, n)
			} else if began[n].IsZero() {
				began[n] = time.Now()
			} else if time.Since(began[n]) > patient/3 {
				if all[n].Reason == "" {
					c.t.Errorf("%s was started anew, and does not start %s by itself", n, c.module)
				}
				c.t.Logf("an operator starts %s: %s", n, all[n].Reason)
				c.saved++
				delete(began, n)
				c.try(c.t, n, "start", c.module, "--node", n, "--no-wait")
			}
		}
		if a.Phase == "Ready" && b.Phase == "Ready" && (a.State == "PRIM" && b.State == "SECOND" || a.State == "SECOND" && b.State == "PRIM") {
			return ""
		}
		return fmt.Sprintf("%+v", all)
	})
	if why != "" {
		c.t.Fatalf("the pair does not heal by itself: %s", why)
	}
}

// PostgreSQL is the shipped module's; servers die, halt, lose their cable and run out of
// room at random, also two at once. No client ever misses a commit that it was told of,
// and in the end both copies are the same. CHAOS=30m goes on for as long, SEED=7 begins
// elsewhere.
func TestDatabaseChaos(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a lab needs root: it makes network namespaces and attaches packet filters")
	}
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = n
	}
	length, _ := time.ParseDuration(os.Getenv("CHAOS")) // 0: two rounds
	t.Logf("SEED=%d CHAOS=%s", seed, length)
	c := &chaos{
		t: t, d: databases[0], rng: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(),
		dead: map[string]bool{}, kinds: map[string]int{},
	}
	c.stage = c.d.serves(t, "accchaos", fmt.Sprintf(smallDisk, databaseDisk(t)), "--set", "HEART_TIMEOUT=3s")
	t.Cleanup(func() {
		for _, n := range both {
			if out, err := exec.Command("umount", "--lazy", c.disk(n)).CombinedOutput(); err != nil {
				t.Errorf("unmount the disk of %s: %v: %s", n, err, out)
			}
		}
	})
	c.do(t, "n1", "prim", c.module, "--node", "n1")
	c.roles(t, "n1", "n1", "ALONE")
	for _, text := range accounts {
		c.on(t, "n1", append(c.d.admin, text)...)
	}
	c.do(t, "n2", "start", c.module, "--node", "n2")
	c.roles(t, "n1", "n1", "PRIM", "n2", "SECOND")
	stop := c.begin(3)
	c.commits("at the beginning")
	rounds := 0
	for begin := time.Now(); rounds < 2 || time.Since(begin) < length; rounds++ {
		c.strike()
		for c.rng.IntN(3) == 0 {
			<-time.After(time.Duration(c.rng.IntN(4000)) * time.Millisecond)
			c.strike()
		}
		<-time.After(time.Duration(c.rng.IntN(8000)) * time.Millisecond)
		healing := time.Now()
		c.heal()
		whole := time.Since(healing)
		c.commits("after the faults")
		t.Logf("both serve %.1f s after the faults, and clients commit after %.1f s", whole.Seconds(), time.Since(healing).Seconds())
		c.checks()
	}
	stop()
	c.checks()
	prim, _ := c.paired(t)
	c.verified(t, prim)
	t.Logf("%d rounds, %d commits acknowledged and none lost, an operator was needed %d times: %v", rounds, len(c.told()), c.saved, c.kinds)
	c.do(t, "n1", "stop", c.module)
}
