package control

// ExplainQuery asks what becomes of a client's packets. The texts are as the user
// typed them.
type ExplainQuery struct {
	Client  string // address, or address:port
	Address string // virtual address, or address:port; empty: all
	Proto   string // tcp or udp; empty: tcp
}

// Explanation says which nodes a client meets.
type Explanation struct {
	Node   string `json:"node"`   // that answers: it tells what it knows
	Client string `json:"client"` // address, and port if one was given
	Note   string `json:"note,omitempty"`
	Paths  []Path `json:"paths"`
}

// Path is what happens to the client's packets to one virtual address under one
// rule.
type Path struct {
	Module   string     `json:"module"`
	Group    string     `json:"group,omitempty"`
	Address  string     `json:"address"`
	Rule     string     `json:"rule"`               // in words; that there is none, if Group is empty
	Mirror   bool       `json:"mirror,omitempty"`   // Owner, the primary, takes everything
	Bucket   *int       `json:"bucket,omitempty"`   // absent: it depends on more than the client's address
	Owner    string     `json:"owner,omitempty"`    // node that gets new connections; empty: nobody
	Previous []string   `json:"previous,omitempty"` // nodes that may have connections in the bucket, the latest first
	Next     string     `json:"next,omitempty"`     // node that the bucket is to move to
	Moving   bool       `json:"moving"`             // a move is under way at this moment
	Agreed   bool       `json:"agreed"`             // all nodes are known to use the same table
	ARP      string     `json:"arp,omitempty"`      // node that answers ARP or neighbour discovery for the client
	Nodes    []Standing `json:"nodes,omitempty"`
}

// Standing is a node's part in a group.
type Standing struct {
	Node  string  `json:"node"`
	Power int     `json:"power"`         // configured
	Share float64 `json:"share"`         // of the buckets, 0 to 1
	Why   string  `json:"why,omitempty"` // why it is not what its power alone would give
}
