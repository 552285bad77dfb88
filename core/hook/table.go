package hook

import (
	lua "github.com/yuin/gopher-lua"
)

// Param is a parameter, a result, or a field of a table. Type is written as
// LuaLS writes types.
type Param struct {
	Name     string
	Type     string
	Doc      string
	Optional bool
}

// Table is the shape of a table: one of the API's own, an option table, or a
// result.
type Table struct {
	Name   string
	Doc    string
	Global string // name of the global variable that holds it, if one does
	List   string // type of the values at 1, 2, …; empty if there are none
	Open   bool   // further fields are allowed
	Fields []Param
}

// Function is one function of the API. Its name is global ("exec"), in a
// global table ("file.read"), or a method ("Application:start").
type Function struct {
	Name    string
	Params  []Param
	Returns []Param
	Doc     string
	Example string
	Since   string // version of the product

	call func(*call, *lua.LState) int
}

// typeDuration is text as "10s", "1m30s", "200ms", or a number of seconds.
const typeDuration = "duration"

// Functions returns the functions of the API in the order of the reference.
func Functions() []Function {
	var all []Function
	for _, part := range [][]Function{
		applicationFunctions(), processFunctions(), networkFunctions(), fileFunctions(),
		moduleFunctions(), flowFunctions(), logFunctions(),
	} {
		all = append(all, part...)
	}
	return all
}

// Tables returns the shapes of the API's tables.
func Tables() []Table {
	timeout := Param{"timeout", typeDuration, "fails when it has not ended by then; the hook's own deadline holds in any case", true}
	return []Table{
		{Name: "Context", Global: "ctx", Doc: "Why the hook is called, and where.", Fields: []Param{
			{"hook", "string", `name of the hook: "start_both"`, false},
			{"force", "boolean", "true in the second, forced call of a stop hook", false},
			{"from", "string", `state of the module: "STOP", "WAIT", "UP", "ALONE", "PRIM", "SECOND"`, false},
			{"to", "string", "state that the module is going to", false},
			{"action", "string", `why: "start", "stop", "stopstart", "restart", or "stopwait" for a resource that the module waits for`, false},
			{"services", "string[]", "of a restart that a service asked for: the services to restart (restart_services); empty: all", false},
			{"node", "string", "name of this server", false},
			{"module", "string", "name of the module", false},
			{"vars", "table<string,string>", "the <var> elements of userconfig.xml", false},
			{"program", "string", "path of the orchestrator program", false},
			{"dir", "string", "directory of the module", false},
		}},
		{Name: "CheckContext", Doc: "What the function of a check in Lua (see docs/plugins.md, custom) is called with. In its file ctx is this, too.", Fields: []Param{
			{"resource", "string", `the resource that it decides: "custom.queue"`, false},
			{"args", "string[]", "the words of the attribute arg", false},
			{"module", "string", "name of the module", false},
			{"vars", "table<string,string>", "the <var> elements of userconfig.xml", false},
			{"program", "string", "path of the orchestrator program", false},
			{"dir", "string", "directory of the module", false},
		}},
		{Name: "Application", Open: true, Doc: "An application that a plugin controls; see application()."},
		{Name: "ApplicationStatus", Doc: "What is known of an application.", Fields: []Param{
			{"up", "boolean", "it runs", false},
			{"reason", "string", "what was seen", false},
		}},
		{Name: "StartOptions", Open: true, Doc: "Settings of the plugin (see `orchestrator plugin list`), and:", Fields: []Param{timeout}},
		{Name: "StopOptions", Open: true, Doc: "Settings of the plugin, if other than at the start, and:", Fields: []Param{
			{"force", "boolean", "kill it at once", true}, timeout,
		}},
		{Name: "Command", List: "string|number", Doc: "A program, its arguments, and options.", Fields: []Param{
			timeout,
			{"env", "table<string,string>", "variables in addition to those that the hook has", true},
			{"dir", "string", "directory to run in; default: the module's", true},
			{"stdin", "string", "what the program reads from its standard input; default: nothing", true},
			{"check", "boolean", "raise an error unless the program ends with code 0", true},
			{"quiet", "boolean", "do not copy the program's output to the hook's output", true},
		}},
		{Name: "CommandResult", Doc: "How a program ended.", Fields: []Param{
			{"code", "integer", "exit code; -1 if a signal ended it", false},
			{"stdout", "string", "its standard output, at most 1 MiB", false},
			{"stderr", "string", "its standard error, at most 1 MiB", false},
			{"ok", "boolean", "the code is 0", false},
		}},
		{Name: "Request", Doc: "An HTTP request.", Fields: []Param{
			{"url", "string", "http:// or https://", false},
			{"method", "string", `default: "GET", or "POST" with a body`, true},
			{"headers", "table<string,string>", "header fields", true},
			{"body", "string", "what to send", true},
			{"expect", "integer|integer[]", "raise an error unless the answer's status is this, or one of these", true},
			{"insecure", "boolean", "accept any TLS certificate", true},
			{"timeout", typeDuration, "default: 10s", true},
		}},
		{Name: "Response", Doc: "An answer.", Fields: []Param{
			{"status", "integer", "status code: 200", false},
			{"body", "string", "at most 1 MiB", false},
			{"headers", "table<string,string>", "header fields, names in lower case", false},
		}},
		{Name: "TcpOptions", Doc: "Options of tcp.check and tcp.wait.", Fields: []Param{
			{"timeout", typeDuration, "tcp.check: default 5s; tcp.wait: default until the hook's deadline", true},
			{"every", typeDuration, "tcp.wait: pause between two attempts; default 200ms", true},
		}},
		{Name: "Retry", List: "fun():any", Doc: "What to repeat, and how often.", Fields: []Param{
			{"times", "integer", "number of attempts; default 3", true},
			{"every", typeDuration, "pause between two attempts; default 1s", true},
		}},
	}
}
