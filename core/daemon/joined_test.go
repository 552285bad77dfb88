package daemon

import (
	"encoding/json"
	"log/slog"
	"os"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/pki"
)

// TestJoinedIsNewest: a node that has just joined does not believe another one whose document of the
// cluster is of before that, which looks as if the new node had been taken out.
func TestJoinedIsNewest(t *testing.T) {
	theirs, err := catalog.Open(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var before, admitted catalog.Item
	for _, content := range []string{`{"nodes":[1]}`, `{"nodes":[1,2]}`, `{"nodes":[1,2,3]}`} {
		item, err := theirs.Put(clusterItem, []byte(content), nil, "test")
		if err != nil {
			t.Fatal(err)
		}
		item.Content = []byte(content)
		before, admitted = admitted, item
	}
	sent, err := json.Marshal(admission{Join: pki.JoinReply{Config: admitted.Content}, Admin: "secret", Document: admitted})
	if err != nil {
		t.Fatal(err)
	}
	var answer admission
	if err := json.Unmarshal(sent, &answer); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{opt: Options{Home: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
	if err := os.Mkdir(d.path("cluster"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.writeJoined(answer, 3); err != nil {
		t.Fatal(err)
	}
	ours, err := catalog.Open(d.path("catalog"), 3)
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := ours.Merge(before); taken || err != nil {
		t.Errorf("the document of before is taken: %v, %v", taken, err)
	}
	if got, err := ours.Get(clusterItem); err != nil || string(got.Content) != string(admitted.Content) || got.Version != admitted.Version {
		t.Errorf("%s %s, %v", got.Version, got.Content, err)
	}
}
