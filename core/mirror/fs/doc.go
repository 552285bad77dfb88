// Package fs is the file system in front of a replicated directory: a FUSE mount that
// carries out every operation in the backing directory and records those that change
// something, in an order that is right for a copy.
//
// A node of the mount is an inode of the backing directory, held by an O_PATH
// descriptor, and everything is done with *at() calls and descriptors: so files that
// were renamed or removed while open, files without a name (O_TMPFILE) and names of
// any depth are the same as in the backing directory.
//
// Order. Two operations on one file's data and attributes are recorded in the order in
// which they are carried out (the node's lock), and so are any two that change names
// (the names' lock). A write is recorded before it is carried out, so that network and
// disk work at the same time; what then fails here is repaired there, by recording what
// the file really holds. Everything else is carried out first. A file is named to the
// peer (Bind) when it is changed for the first time since it was opened.
//
// The kernel checks permissions (default_permissions), keeps locks, caches data and
// names: nobody else changes the backing directory. The mount is write-through unless asked
// otherwise.
//
// Files that mirror/exclude leaves out are carried out and not recorded. Nobody writes past
// the mount without an alarm, and what was changed while nothing was mounted is found by a
// Seal. How many files the kernel knows, and so the memory and descriptors here, is bounded.
//
// Not here: who reads what was recorded (Recorder is an interface), ioctl (chattr).
// Modification times of directories and access times are not recorded.
//
// It runs on Linux, as root.
package fs
