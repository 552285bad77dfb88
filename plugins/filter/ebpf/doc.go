// Package ebpf is the packet filter for Linux: it keeps a node's share of the
// connections to a virtual address, in the kernel. DESIGN.md tells how.
//
// It is the only package that knows BPF. A Filter needs root (CAP_BPF,
// CAP_NET_ADMIN and, for the socket table, CAP_PERFMON) and Linux 5.18 or
// newer with BTF; it works in the network namespace of the thread that calls it.
package ebpf

//go:generate go tool bpf2go -cc clang -tags linux -target bpfel -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I/usr/include/x86_64-linux-gnu" filter bpf/filter.c
