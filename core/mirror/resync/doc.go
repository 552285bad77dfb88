// Package resync makes a copy equal to its source while the source is being written.
//
// A Source knows which parts of a folder the copy may lack (zones of both sides, or
// everything), compares them with the copy by checksums, and sends what differs as
// operations of the stream. A Target answers its questions. Both the operations and the
// questions go in the one order of the stream.
//
// It goes in rounds, as the memory of a virtual machine is moved to another host
// (Clark et al., "Live migration of virtual machines", NSDI 2005): while a round runs,
// operations are only recorded; the next one does what was changed meanwhile. In the
// last, which holds operations up, only names and attributes are brought in order. From then on
// operations can be carried out on both sides alike and are sent; the data that is
// still missing follows between them, each piece while its file is not written to.
//
// Names. A directory whose names changed is compared name by name; a file that has got a
// name since is compared as a whole, any other only where its data was changed, or when
// its attributes differ. Hard links, holes, extended attributes and special files are kept.
//
// It runs on Linux.
package resync
