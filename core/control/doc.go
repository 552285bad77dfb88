// Package control is the door to a node: an HTTP API, served on a root-only
// unix socket and, with TLS and a login, on TCP port 9010; and the client of it
// that the command line uses. Nouns (GET) read, verbs (POST, DELETE) write.
//
//	GET    /v1/status                    all modules on all nodes
//	GET    /v1/modules                   what is installed
//	POST   /v1/modules/{name}            install an archive, or a shipped module by name
//	GET    /v1/modules/{name}/package    the module as an archive
//	GET    /v1/modules/{name}/history    the last changes of resources on this node
//	DELETE /v1/modules/{name}            uninstall
//	GET    /v1/modules/{name}/versions   the configurations that are kept
//	POST   /v1/modules/{name}/diff       what a configuration would change
//	POST   /v1/modules/{name}/apply      check and distribute the edited copy
//	POST   /v1/modules/{name}/rollback   an earlier configuration again
//	POST   /v1/modules/{name}/resource   publish a resource on this node
//	POST   /v1/modules/{name}/switch     watches and boot: on, off
//	POST   /v1/modules/{name}/tell       write into the module's journal on this node
//	POST   /v1/modules/{name}/{verb}     start, stop, restart, …
//	GET    /v1/cluster                   the nodes and who is current
//	POST   /v1/cluster/{init|token|join|leave}
//	POST   /v1/admit                     a new node with a token; the only call without a login
//	GET    /v1/log                       journal entries, one JSON object a line
//	GET    /v1/why/{name}                the cause chain of the last change
//	GET    /v1/plugins
//	GET    /metrics                      of this node, for Prometheus
//	GET    /v1/nodes/{node}/{path}       the same of another node: /v1/nodes/n2/log
//	POST   /v1/console                   invite somebody into the web console
//	POST   /v1/token                     a token with which a program may use this API, on all nodes
//	POST   /v1/login                     log in with an invitation or a token: sets a cookie, good on all nodes
//	POST   /v1/login/elsewhere           a token that takes the login along to another node's console, once
//	GET    /v1/login                     who one is; DELETE logs out
//	GET    /var/modules/{name}/ready.txt the same as SafeKit has it: 200, else 404
//	GET    /health/{name}                200 while the module takes connections here, else 503
//
// A caller has a role: monitor may read, control may also move modules, admin all.
// Errors are JSON {"error": "...", "problems": [...]} with a 4xx or 5xx status.
package control
