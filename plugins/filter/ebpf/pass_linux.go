package ebpf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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

// AttachPassPinned is AttachPass that lasts until the interface or the file
// pinPath, on a BPF file system, is removed. Its directory is made if missing.
// If pinPath exists it is replaced.
func AttachPassPinned(ifindex int, pinPath string) error {
	dir := filepath.Dir(pinPath)
	if err := preparePins(dir); err != nil {
		return fmt.Errorf("pin a passing XDP program: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for a pinned XDP program: %w", err)
	}
	if err := removePin(pinPath); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replace a pinned XDP program: %w", err)
	}
	l, err := attachPass(ifindex)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Pin(pinPath); err != nil {
		return fmt.Errorf("pin a passing XDP program at %s: %w", pinPath, err)
	}
	return nil
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
