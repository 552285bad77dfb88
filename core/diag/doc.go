// Package diag is how the product tells people what is wrong with something
// they wrote: where it stands, what is wrong, and what would be right.
//
// A Problem has a stable id such as "config/unknown-attribute", which is
// explained in docs/problems.md; a test in core/config compares the two. The
// package imports nothing of this project.
package diag
