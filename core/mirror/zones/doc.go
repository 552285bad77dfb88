// Package zones remembers which parts of which files the two copies may not have in
// common: on disk, so that a crash forgets nothing.
//
// It holds two sets of zones. Dirty ones (DRBD's bitmap) the peer is known to lack.
// Active ones (DRBD's activity log) are being written while both are connected, and
// after a crash may be on one of the two disks only. A zone is recorded durably before
// the first write to it may reach the disk; concurrent marks share one sync, and a mark
// of what is recorded costs nothing. Active zones are dropped by epochs: Begin starts
// one, and when all that was written before is durable on both disks, End forgets what
// was active before it only.
//
// On disk are a checkpoint and a log after it. The log is written in batches that begin at
// sector boundaries, each with its number and a checksum (CRC-32C), and each written
// when the one before is durable: so what a crash tore is told from damage. After damage,
// or when there are too many zones, everything is taken for dirty. Keep it outside the
// replicated directory, on another disk if there is one.
//
// Files are named by their inode numbers here. One that was removed and its number used
// again makes a zone too many, never one too few.
package zones
