package daemon

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

func TestFunctionIsCheckedAtJoin(t *testing.T) {
	for _, tc := range []struct {
		cluster share.Function
		system  string
		want    string // in the refusal; empty: let in
	}{
		{share.Keyed, "linux", ""},
		{share.LowBits, "linux", ""},
		{share.LowBits, "windows", ""},
		{share.Keyed, "windows", "orchestrator cluster init --hash low_bits"},
	} {
		err := checkFunction("win1", tc.cluster, functionsOf(tc.system))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s in a cluster of %s: %v", tc.system, tc.cluster, err)
		}
	}
	if err := checkFunction("old", share.LowBits, nil); err == nil {
		t.Error("a node that names no function was let in")
	}
}

func TestFirstConfigHasTheFunction(t *testing.T) {
	addresses := map[string]netip.Addr{"default": netip.MustParseAddr("10.0.0.1")}
	for given, want := range map[string]share.Function{"": share.Keyed, "low_bits": share.LowBits} {
		c, err := firstConfig("id", []string{"default"}, addresses, control.InitRequest{Cluster: "c", Name: "n1", Hash: given})
		if err != nil || c.Hash != want {
			t.Errorf("--hash %q: %q, %v", given, c.Hash, err)
		}
	}
	_, err := firstConfig("id", []string{"default"}, addresses, control.InitRequest{Cluster: "c", Name: "n1", Hash: "md5"})
	if err == nil || !strings.Contains(err.Error(), "md5") || errors.Is(err, control.ErrRefused) {
		t.Errorf("--hash md5: %v", err)
	}
}
