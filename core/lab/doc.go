// Package lab builds a whole cluster on one Linux machine: nodes, a client and
// a switch, each in a network namespace of its own, so that a cable can be cut
// and a server killed without a second computer. Users try things out in it;
// tests and the demonstration run in it.
//
//	          host: 127.0.0.1:9010
//	                 │ (copied by the lab's process, no route)
//	orch-lab-n1   orch-lab-n2   orch-lab-n3   orch-lab-client
//	10.77.0.1     10.77.0.2     10.77.0.3     10.77.0.200
//	fd77::1       fd77::2       fd77::3       fd77::200
//	   eth0          eth0          eth0          eth0
//	    └────── n1 ───┴──── n2 ─────┴──── n3 ──────┘ client
//	                  orch-lab-switch: bridge "lan0"
//
// On demand there are a second network for the nodes (10.78.0.0/24, fd78::/64), and a
// router at 10.77.0.254 with a client behind it whose cable has a smaller MTU.
//
// The host's own network is never touched: no link, address, route or sysctl
// outside the lab's namespaces.
//
// One process owns a lab, holds a lock on its directory and serves a control
// socket there: either the process that called Start (a test, the
// demonstration) or a detached one that Up began. Whatever kills the owner,
// Down finds what it left behind and removes it.
package lab
