// Package vip holds virtual addresses on this node's interfaces and announces
// them to the network. It is the only package that uses netlink (besides the
// lab, which builds whole networks).
//
// # What is changed on the node
//
// A virtual address is added as a host address (/32 or /128) without a route
// and without a label, so that nothing of the node's own addressing changes.
// IPv6 addresses are added without duplicate address detection, since every node of
// a farm holds them, and as deprecated, so that the node never
// chooses them for connections of its own.
//
// While an interface holds a virtual IPv4 address its arp_announce is 2:
// otherwise the node's own ARP requests could carry the virtual address as
// their sender, and neighbours would take this node for its only owner. While it
// holds an address that is reached by a virtual MAC (vmac_invisible) it is in
// promiscuous mode, as by "ip link set promisc on", so that it receives what is
// sent to a MAC that is not its own. Both are put back with the last address that
// needs them; what they were is told by Before, for whoever cleans up after
// a run that was killed. arp_ignore is left alone:
// who answers ARP for a virtual address is decided per frame by the packet filter.
// A node that has two interfaces in one network needs arp_ignore=1 on the one
// without virtual addresses; that is the administrator's to set.
//
// # What this node's own connections come from
//
// Not from a virtual address, unless SetSources says so (where="one_side"). That is a
// routing table of its own, 28530 (0x6f72), with the main table's routes and a source,
// and a rule for TCP and one for UDP that lead there, just before the main
// table's (ip rule, ip route show table 28530). For what leaves by other interfaces, and
// for the other nodes, it leads back to the main table, which is never changed.
//
// # What others do
//
// Addresses are flushed, interfaces go down and up, which costs their IPv6
// addresses, and are deleted and made anew. Watch tells that something changed,
// Look what is so now, and Add puts back what is missing: nothing is lost with a
// message that did not arrive.
//
// # Announcements
//
// IPv4: a gratuitous ARP request (RFC 5227, 3), since Linux ignores a
// gratuitous reply shortly after another update, then the reply too, for devices
// that want one. IPv6: an unsolicited
// neighbour advertisement with the override flag (RFC 4861, 7.2.6). A lost
// announcement costs neighbours about 30 s, therefore each is repeated. A virtual
// MAC is announced, but is never the source of the frame: a switch that learned
// where it is would bring all traffic to that one node.
//
// # Probes
//
// Probe asks who has an address as RFC 5227 and RFC 4862 do before they use one.
package vip
