// Package pki makes and keeps the secrets of a cluster: a private certificate
// authority, this node's certificate, the keys of the gossip, the heartbeat and
// the connection hash, and the one-time tokens with which nodes join.
//
// Everything lies in one directory (mode 0700, files 0600):
//
//	authority.crt  authority.key   the cluster's own authority, on every node
//	node.pem                       this node's certificate (client and server) and key
//	keys.json                      cluster id and the symmetric keys
//	tokens.json                    join tokens issued here, hashed
//
// Every node holds the authority's key, so that any of them can let a new one
// in when the first is lost. Whoever reads the directory of one node therefore
// owns the cluster; it is for root alone.
//
// A join has two sides. The new node calls NewJoiner with the token, connects
// with Joiner.TLS (which trusts the one authority named in the token and nothing
// else), posts Joiner.Request and hands the answer to Joiner.Accept. A member
// answers with Identity.Admit. The HTTP between them is not made here.
package pki
