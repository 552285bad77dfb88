// Package replica applies a stream of operations to a directory: it is the
// secondary's copy.
//
// Files are reached through descriptors (O_PATH) and the *at() calls, never by
// paths: operations name files by the ids that the primary gave them, so that a
// file that was renamed or has no name any more is still the same, and names of any
// depth work. A descriptor is held from the operation that introduces the file
// until Forget.
//
// It runs on Linux.
package replica
