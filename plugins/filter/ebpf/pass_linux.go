package ebpf

import (
	"fmt"
	"io"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

const xdpPass = 2 // XDP_PASS of linux/bpf.h

// AttachPass puts an XDP program on an interface that lets everything pass. A
// veth drops what its other end sends from XDP unless it has one, so a lab puts
// it on the switch's side. It works until the Closer is closed or the process
// ends.
func AttachPass(ifindex int) (io.Closer, error) {
	return attachPass(ifindex)
}

func attachPass(ifindex int) (link.Link, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("lift the limit of locked memory: %w; root is needed", err)
	}
	p, err := loadPass()
	if err != nil {
		return nil, fmt.Errorf("load a passing XDP program: %w", err)
	}
	defer p.Close() // the link holds it
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: link.XDPDriverMode})
	if err != nil {
		return nil, fmt.Errorf("attach a passing XDP program to interface number %d: %w", ifindex, err)
	}
	return l, nil
}

func loadPass() (*bpf.Program, error) {
	return bpf.NewProgram(&bpf.ProgramSpec{
		Name: "pass", Type: bpf.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
}
