// Package address holds the checkers of this machine's own network: intf, a
// network interface is up and has a carrier, and ip, an address is set. Both look
// when the kernel tells of a change (rtnetlink(7)); where there is no such news,
// and to be sure, at the interval as well.
package address
