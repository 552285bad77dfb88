// Package loopdisk gives tests a file system of their own: ext4 in a file, on a loop device
// that goes with it.
//
// It runs on Linux, as root; elsewhere the tests are skipped.
package loopdisk
