// Package catalog keeps the configuration that all nodes of a cluster share:
// named items (the cluster document, each installed module) with a version and
// a signature, on every node in full, on disk.
//
// There is no leader. Any node may Put; the greater version wins everywhere, so
// all nodes come to the same content whatever the order in which they hear of
// it. A version is a counter, raised by each Put, and the number of the node
// that put; two nodes that put at the same moment without hearing of each other
// are ordered by their numbers, and what lost stays in the history. A deleted
// item stays as an empty version, so that a node which was away does not bring
// it back.
//
// Catalog is the store; Syncer keeps it equal with that of the other nodes.
//
// On disk, one folder per item and version ('/' in a name becomes '+'):
//
//	module+web_farm/00000000000000000007-03/item.json
//	module+web_farm/00000000000000000007-03/content
//
// A folder is completed under another name and then renamed, so it is whole or
// not there. Folders whose name begins with a dot are left-overs of a crash and
// are removed by Open.
package catalog
