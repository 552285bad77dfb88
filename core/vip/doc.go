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
// their sender, and neighbours would take this node for its only owner. The
// earlier value is put back with the last removal (by the same run of the program;
// one that was killed leaves 2 behind). arp_ignore is left alone:
// who answers ARP for a virtual address is decided per frame by the packet filter.
// A node that has two interfaces in one network needs arp_ignore=1 on the one
// without virtual addresses; that is the administrator's to set.
//
// # Announcements
//
// IPv4: a gratuitous ARP request (RFC 5227, 3), since Linux ignores a
// gratuitous reply shortly after another update. IPv6: an unsolicited
// neighbour advertisement with the override flag (RFC 4861, 7.2.6). A lost
// announcement costs neighbours about 30 s, therefore each is repeated.
package vip
