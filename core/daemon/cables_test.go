package daemon

import (
	"net"
	"testing"
)

// An interface whose carrier is back is told of once; one that is new or goes on is not.
func TestCables(t *testing.T) {
	up := func(index int) net.Interface { return net.Interface{Index: index, Flags: net.FlagUp | net.FlagRunning} }
	dark := func(index int) net.Interface { return net.Interface{Index: index, Flags: net.FlagUp} }
	var c cables
	for i, step := range []struct {
		now  []net.Interface
		back []int
	}{
		{[]net.Interface{up(1), dark(2)}, nil},
		{[]net.Interface{up(1), up(2), up(3)}, []int{2}},
		{[]net.Interface{dark(1), up(2), up(3)}, nil},
		{[]net.Interface{dark(1), up(2)}, nil},
		{[]net.Interface{up(1), up(2), up(3)}, []int{1}},
		{[]net.Interface{up(1), up(2), up(3)}, nil},
	} {
		got := c.back(step.now)
		same := len(got) == len(step.back)
		for j := range step.back {
			same = same && got[j].Index == step.back[j]
		}
		if !same {
			t.Errorf("step %d: %v instead of %v", i, got, step.back)
		}
	}
}
