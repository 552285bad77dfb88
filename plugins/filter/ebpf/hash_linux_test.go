package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestHashTwin: the kernel's bucket is core/share's. The rows of two tables spell
// out the bucket's number in node numbers, six bits each, which the frame's new
// destination shows.
func TestHashTwin(t *testing.T) {
	fx := newFixture(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	type input struct {
		frame []byte
		want  uint16
	}
	inputs := make([]input, 10_000)
	for n := range inputs {
		src := binary.BigEndian.AppendUint32(nil, rnd.Uint32())
		port := uint16(rnd.Uint32())
		frame := fx.frame("tcp", func(p *packet) { p.tcp.SYN, p.tcp.ACK = true, false })
		copy(frame[26:30], src)
		binary.BigEndian.PutUint16(frame[34:], port)
		client, _ := netipFrom(src)
		inputs[n] = input{frame, share.Bucket(testKey, client, port)}
	}
	got := make([]uint16, len(inputs))
	for digit := range 2 {
		rows := make([]sdk.Row, share.Buckets)
		table := sdk.FilterTable{Module: "web", Groups: map[string][]sdk.Row{"http": rows}, MACs: map[uint8][]sdk.MAC{}}
		for b := range rows {
			rows[b] = sdk.Row(b>>(6*digit)&63 + 1)
		}
		for n := uint8(1); n <= 64; n++ {
			table.MACs[n] = []sdk.MAC{{2, 0, 0, 0, 1, n}}
		}
		check0(t, fx.filter.SetTable(t.Context(), table))
		for n, in := range inputs {
			verdict, out := fx.run(in.frame)
			node := out[5]
			if verdict == 1 { // dropped: it is this node's, which is not ready
				node = self
			}
			got[n] |= uint16(node-1) << (6 * digit)
		}
	}
	for n, in := range inputs {
		if got[n] != in.want {
			t.Fatalf("frame %x: kernel says bucket %d, share.Bucket %d", in.frame[26:36], got[n], in.want)
		}
	}
}
