// Package primary joins the parts on the node that serves: what the file system
// records goes to the peer's stream and into the record of zones, and what the
// application's calls wait for follows from the states of mirror.Primary.
//
// A Recorder satisfies fs.Recorder. It is driven by its owner: Connect when the peer is
// there, Hear for what the peer says, Choose and Reject for what the cluster says. It
// carries out what mirror.Primary wants, in order and before anything is released that
// waits for it.
//
// Not here: the copying itself (Options.Copy is called to begin it, and mirror/resync does
// it), the epochs of the activity log, and the secondary's side.
package primary
