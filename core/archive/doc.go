// Package archive reads and writes module archives (.safe, .zip): a plain zip
// with conf/, bin/, web/ and test/ at its root. What comes from outside is
// checked as a whole before a single byte reaches the disk.
package archive
