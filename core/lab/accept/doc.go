// Package accept holds the acceptance tests: the real program in a lab, real
// nginx, faults, bad input, and what clients notice. They need root and Linux;
// nothing outside the lab's namespaces is touched.
//
// ACCEPT_PROGRAM names a binary to test instead of one built from the sources;
// in the folder ACCEPT_LOGS the logs, journals and states of all nodes are kept.
//
// A machine on which nobody runs for 60 ms makes nodes lose their lease. What
// clients saw at such a time is told as "NOT JUDGED" instead of failing the test.
package accept
