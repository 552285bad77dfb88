package fs

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Clients of an SQLite database note each commit that they were told is done. The
// connection breaks at some moment; the copy then opens, is sound, and has them all.
func TestSQLiteSurvivesACut(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed")
	}
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, seed))
	for _, c := range []struct {
		mode      string
		writeBack bool
	}{{"delete", false}, {"wal", false}, {"truncate", false}, {"delete", true}, {"wal", true}} {
		for range 2 {
			after := 20 + rng.IntN(150)
			t.Run(fmt.Sprintf("%s/%t/%d", c.mode, c.writeBack, after), func(t *testing.T) {
				p := newPairOf(t, Options{WriteBack: c.writeBack})
				p.run(`sqlite3 db "pragma journal_mode=` + c.mode + `; create table t(a integer primary key, b text);" >/dev/null`)
				told := commitUntil(t, p, after)
				<-p.ended
				p.ended <- nil // for the clean-up
				out, err := exec.Command("sqlite3", p.b+"/db", "pragma integrity_check; select a from t order by a;").CombinedOutput()
				if err != nil {
					t.Fatalf("seed %d, %v: %s", seed, err, out)
				}
				lines := strings.Fields(string(out))
				if lines[0] != "ok" {
					t.Fatalf("seed %d: the copy is not sound: %s", seed, out)
				}
				has := map[string]bool{}
				for _, l := range lines[1:] {
					has[l] = true
				}
				for _, a := range told {
					if !has[a] {
						t.Errorf("seed %d: commit %s was acknowledged, and the copy lacks it (it has %d)", seed, a, len(has))
					}
				}
				if len(told) < after {
					t.Errorf("only %d commits were acknowledged", len(told))
				}
			})
		}
	}
}

// commitUntil runs clients, breaks the connection when n commits were acknowledged,
// and answers those that were until the clients failed.
func commitUntil(t *testing.T, p *pair, n int) (told []string) {
	t.Helper()
	const clients = 3
	lines := make(chan string)
	for c := range clients {
		cmd := exec.Command("bash", "-c", `for i in $(seq 1000); do a=$((i*10+$1)); sqlite3 -cmd '.timeout 60000' "$0/db" "pragma synchronous=full; insert into t values($a, hex(randomblob(700)));" && echo $a || exit 0; done`, p.m, fmt.Sprint(c))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		go func() {
			for s := bufio.NewScanner(out); s.Scan(); {
				lines <- s.Text()
			}
			_ = cmd.Wait()
			lines <- ""
		}()
	}
	for ended := 0; ended < clients; {
		select {
		case l := <-lines:
			if l == "" {
				ended++
				continue
			}
			if told = append(told, l); len(told) == n {
				go p.rec.sender.Close() // at whatever the clients are doing
			}
		case <-time.After(50 * time.Second):
			t.Fatalf("%d commits, and none more in 50 s", len(told))
		}
	}
	return told
}
