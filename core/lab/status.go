package lab

// Phase says how far a lab is.
type Phase string

const (
	Starting Phase = "starting"
	Running  Phase = "running"
)

// DaemonState is what a node's daemon process does.
type DaemonState string

const (
	DaemonRunning DaemonState = "running"
	DaemonPaused  DaemonState = "paused" // SIGSTOP
	DaemonExited  DaemonState = "exited"
	DaemonNone    DaemonState = "not started"
)

// Status is a lab as its owner sees it.
type Status struct {
	Name    string       `json:"name"`
	Dir     string       `json:"dir"`
	Owner   int          `json:"owner"` // process id
	Phase   Phase        `json:"phase"`
	Steps   []string     `json:"steps"`             // what the building did so far
	Console string       `json:"console,omitempty"` // host:port on the host that leads to node 1's console
	VIP     string       `json:"suggested_vip"`
	VIP6    string       `json:"suggested_vip6"`
	Nodes   []NodeStatus `json:"nodes"`
	Client  ClientStatus `json:"client"`
}

// NodeStatus is one node of a lab.
type NodeStatus struct {
	Name      string      `json:"name"`
	Address   string      `json:"address"`
	Address6  string      `json:"address6"`
	Namespace string      `json:"namespace"`
	Home      string      `json:"home"`
	Log       string      `json:"log"`
	Daemon    DaemonState `json:"daemon"`
	PID       int         `json:"pid,omitempty"`
	Exit      string      `json:"exit,omitempty"` // how the last daemon ended
	Link      string      `json:"link"`           // up, or what is wrong: "eth0 cut", "eth1 unplugged"
	Group     int         `json:"group"`          // 0, or the partition's group that the node is in
}

// ClientStatus is the lab's client.
type ClientStatus struct {
	Namespace  string   `json:"namespace"`
	Addresses  []string `json:"addresses"`  // IPv4
	Addresses6 []string `json:"addresses6"` // IPv6
	Group      int      `json:"group"`
}
