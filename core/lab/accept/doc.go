// Package accept holds the acceptance tests: the real program in a lab, real
// nginx, faults, bad input, and what clients notice. They need root and Linux;
// nothing outside the lab's namespaces is touched.
package accept
