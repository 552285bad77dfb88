package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/journal"
	"github.com/orchestrator-ha/orchestrator/core/pki"
)

// Who may not join cannot fill the journal: neither by asking often nor by saying much.
func TestStrangersDoNotFillTheJournal(t *testing.T) {
	d, _ := alone(t)
	for i := range 50 {
		raw, err := json.Marshal(pki.JoinRequest{Name: fmt.Sprintf("n%d", i), Version: strings.Repeat("9", 100_000)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Admit(t.Context(), raw); err == nil {
			t.Fatal("a stranger was let in")
		}
	}
	entries, err := d.journal.Query(t.Context(), journal.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || !strings.HasPrefix(entries[0].Text, `A node that calls itself "n0" was not let in: `) || len(entries[0].Text) > 500 {
		t.Errorf("of 50 strangers the journal has %d entries: %.2000v", len(entries), entries)
	}
}

func TestStrangersAreCounted(t *testing.T) {
	var s strangers
	now := time.Unix(1, 0)
	if got := []int{s.refuse(now), s.refuse(now), s.refuse(now.Add(time.Second)), s.refuse(now.Add(strangersEvery))}; fmt.Sprint(got) != "[1 0 0 3]" {
		t.Errorf("told %v", got)
	}
	want := `A node that calls itself "n" was not let in: no. So were 2 others since the last of these messages.`
	if got := strangerText("n", 3, errors.New("no")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
