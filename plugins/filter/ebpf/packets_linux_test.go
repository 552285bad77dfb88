package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// maker makes frames as they come and as they should not.
type maker struct {
	*rand.Rand
	clients, locals []netip.Addr // of both families
	ports           []uint16     // of clients and of services
}

func pick[T any](m *maker, of ...T) T { return of[m.IntN(len(of))] }

// frame is a frame to one of the addresses, most often whole.
func (m *maker) frame() []byte {
	local := pick(m, m.locals...)
	var client netip.Addr
	for client.Is4() != local.Is4() || !client.IsValid() {
		client = pick(m, m.clients...)
	}
	b := m.ether(local.Is4())
	if local.Is4() {
		b = m.ipv4(b, client, local)
	} else {
		b = m.ipv6(b, client, local)
	}
	for m.IntN(3) == 0 {
		b = m.damage(b)
	}
	return append(b, make([]byte, max(0, 14-len(b)))...)
}

func (m *maker) ether(four bool) []byte {
	to := pick(m, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, ownMAC, macOf(2), sdk.MAC{255, 255, 255, 255, 255, 255})
	from := pick(m, clientMAC, clientMAC, macOf(uint8(1+m.IntN(7))))
	b := append(append([]byte{}, to[:]...), from[:]...)
	if m.IntN(10) == 0 {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, pick[uint16](m, 0, 0xe000, 0x2000, 5))
	}
	kind := uint16(0x86dd)
	if four {
		kind = 0x0800
	}
	return binary.BigEndian.AppendUint16(b, kind)
}

func (m *maker) ipv4(b []byte, from, to netip.Addr) []byte {
	options := 4 * pick(m, 0, 0, 0, 1, 10)
	proto := pick[uint8](m, 6, 6, 6, 17, 17, 1, 1, 47)
	body := m.transport(proto, from, to)
	h := make([]byte, 20+options)
	h[0] = 0x40 | byte(5+options/4)
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(body)))
	binary.BigEndian.PutUint16(h[4:], uint16(m.IntN(8)))
	if m.IntN(4) == 0 {
		binary.BigEndian.PutUint16(h[6:], pick[uint16](m, 0x2000, 0x2000, 100, 0x2010, 0x4000))
	}
	h[8], h[9] = pick[uint8](m, 64, 63, 62, 61, 255, 3, 2, 1, 0), proto
	copy(h[12:], from.AsSlice())
	copy(h[16:], to.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(append(b, h...), body...)
}

func (m *maker) ipv6(b []byte, from, to netip.Addr) []byte {
	proto := pick[uint8](m, 6, 6, 6, 17, 17, 58, 58, 47)
	body := m.transport(proto, from, to)
	next, extensions := proto, []byte{}
	for m.IntN(3) == 0 {
		kind := pick[uint8](m, 0, 43, 60, 44, 44)
		e := make([]byte, 8)
		if kind == 44 {
			binary.BigEndian.PutUint16(e[2:], pick[uint16](m, 1, 1, 0, 808, 809))
			binary.BigEndian.PutUint32(e[4:], m.Uint32N(8))
		} else {
			e[1] = pick[uint8](m, 0, 0, 1, 4)
			e = append(e, make([]byte, int(e[1])*8)...)
		}
		e[0] = next
		next, extensions = kind, append(e, extensions...)
	}
	h := make([]byte, 40)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(len(extensions)+len(body)))
	h[6], h[7] = next, pick[uint8](m, 64, 63, 62, 61, 255, 3, 2, 1, 0)
	copy(h[8:], from.AsSlice())
	copy(h[24:], to.AsSlice())
	return append(append(append(b, h...), extensions...), body...)
}

// transport is what IP carries; checksums are left to whoever accepts.
func (m *maker) transport(proto uint8, from, to netip.Addr) []byte {
	ports := func(a, b uint16) []byte {
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, a), b)
	}
	client, local := pick(m, m.ports...), pick(m, m.ports[:6]...)
	switch proto {
	case 6:
		b := append(ports(client, local), make([]byte, 16)...)
		b[12], b[13] = 0x50, pick[uint8](m, 0x10, 0x10, 0x02, 0x02, 0x12, 0x04, 0x11)
		return append(b, make([]byte, m.IntN(20))...)
	case 17:
		b := append(ports(client, local), make([]byte, 4+m.IntN(20))...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		return b
	case 1:
		b := []byte{pick[uint8](m, 8, 8, 3, 3, 11, 12, 0, 5), 0, 0, 0, 0, 0, 0, 0}
		if b[0] == 3 || b[0] > 10 {
			inner := make([]byte, 20)
			inner[0], inner[9] = 0x45, pick[uint8](m, 6, 6, 17, 1)
			copy(inner[12:], to.AsSlice())
			copy(inner[16:], from.AsSlice())
			b = append(append(append(b, inner...), ports(local, client)...), make([]byte, 4)...)
		}
		return b
	case 58:
		b := []byte{pick[uint8](m, 128, 128, 1, 2, 2, 3, 4, 129, 5), 0, 0, 0, 0, 0, 0, 0}
		if b[0] < 5 {
			inner := make([]byte, 40)
			inner[0], inner[6] = 0x60, pick[uint8](m, 6, 6, 17, 58)
			copy(inner[8:], to.AsSlice())
			copy(inner[24:], from.AsSlice())
			if m.IntN(3) == 0 {
				inner[6] = 44
				inner = append(inner, pick[uint8](m, 6, 17), 0, 0, pick[uint8](m, 1, 0, 9), 0, 0, 0, 1)
			}
			b = append(append(append(b, inner...), ports(local, client)...), make([]byte, 4)...)
		}
		return b
	}
	return make([]byte, 8)
}

// damage changes, cuts or lengthens a frame.
func (m *maker) damage(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	switch m.IntN(5) {
	case 0:
		return b[:m.IntN(len(b))]
	case 1:
		return append(b, make([]byte, m.IntN(30))...)
	default:
		b[m.IntN(len(b))] = pick(m, 0, 1, 4, 5, 6, 0xff, 44, uint8(m.Uint32()))
		return b
	}
}
