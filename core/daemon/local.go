package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// localFile has the addresses that this node itself has on networks where the other nodes
// know it by another one, because it is translated on the way (NAT). Nobody else needs
// them, so the cluster's document does not have them.
func (d *Daemon) localFile() string { return d.path("cluster", "local.json") }

// parseLocal reads this node's own addresses beside those by which others reach it.
func parseLocal(given map[string]string, addresses map[string]netip.Addr) (map[string]netip.Addr, error) {
	if len(given) == 0 {
		return nil, nil
	}
	local, _, err := parseAddresses(given)
	if err != nil {
		return nil, err
	}
	for network, a := range local {
		outer, ok := addresses[network]
		switch {
		case !ok:
			return nil, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("network %s has a local address but none by which other nodes reach this one: give that with --address %s=ADDRESS", network, network)}
		case outer.Unmap().Is4() != a.Unmap().Is4():
			return nil, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("on network %s the addresses %s and %s are not of the same family", network, outer, a)}
		}
	}
	return local, nil
}

// checkOwn refuses addresses that this machine does not have: it would join, and nobody
// would ever hear it. has are those of its interfaces.
func checkOwn(addresses, local map[string]netip.Addr, has []netip.Addr) error {
	for network, a := range addresses {
		if own, translated := local[network]; translated {
			a = own
		}
		if !slices.Contains(has, a.Unmap().WithZone("")) {
			var list []string
			for _, h := range has {
				if !h.IsLoopback() && !h.IsLinkLocalUnicast() {
					list = append(list, h.String())
				}
			}
			return &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("this server has no address %s; it has %s. Give one of these with --address; if another one is translated on the way here (NAT), --local says what this server itself has in its place", a, listOr(list, "none"))}
		}
	}
	return nil
}

// ownAddresses are those of this machine's interfaces.
func ownAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("look at this server's addresses: %w", err)
	}
	var list []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Addr().Unmap())
		}
	}
	return list, nil
}

// own reads the addresses that a request gives this node.
func own(given, givenLocal map[string]string) (addresses, local map[string]netip.Addr, networks []string, err error) {
	if addresses, networks, err = parseAddresses(given); err != nil {
		return nil, nil, nil, err
	}
	if local, err = parseLocal(givenLocal, addresses); err != nil {
		return nil, nil, nil, err
	}
	has, err := ownAddresses()
	if err == nil {
		err = checkOwn(addresses, local, has)
	}
	return addresses, local, networks, err
}

func (d *Daemon) writeLocal(local map[string]netip.Addr) error {
	if len(local) == 0 {
		return nil
	}
	raw, err := json.Marshal(local)
	if err == nil {
		err = replaceDurably(d.localFile(), raw)
	}
	if err != nil {
		return fmt.Errorf("write this node's own addresses: %w", err)
	}
	return nil
}

func (d *Daemon) readLocal() (map[string]netip.Addr, error) {
	raw, err := os.ReadFile(d.localFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var local map[string]netip.Addr
	if err == nil {
		err = json.Unmarshal(raw, &local)
	}
	if err != nil {
		return nil, fmt.Errorf("read this node's own addresses: %w", err)
	}
	return local, nil
}
