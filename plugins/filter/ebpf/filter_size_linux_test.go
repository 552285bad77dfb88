package ebpf

import (
	"testing"

	bpf "github.com/cilium/ebpf"
)

// TestProgramSize: the kernel follows every way through a program, at most a
// million instructions of them, and does so whenever a node starts.
func TestProgramSize(t *testing.T) {
	needRoot(t)
	var o filterObjects
	check0(t, loadFilterObjects(&o, nil))
	defer o.Close()
	for name, p := range map[string]*bpf.Program{howNative: o.FilterXdp, howTCX: o.FilterIn} {
		i, err := p.Info()
		check0(t, err)
		n, ok := i.VerifiedInstructions()
		if t.Logf("%s: %d instructions were verified", name, n); ok && n > 200_000 {
			t.Errorf("%s: too many", name)
		}
	}
}
