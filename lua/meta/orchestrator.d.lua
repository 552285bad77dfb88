---@meta orchestrator
-- Generated from the table in core/hook. DO NOT EDIT.
error("this file is for editors and cannot be run")

--- A length of time: text as "10s", "1m30s", "200ms", or a number of seconds.
---@alias duration string|number

--- Why the hook is called, and where.
---@class Context
---@field hook string name of the hook: "start_both"
---@field force boolean true in the second, forced call of a stop hook
---@field from string state of the module: "STOP", "WAIT", "UP", "ALONE", "PRIM", "SECOND"
---@field to string state that the module is going to
---@field action string why: "start", "stop", "stopstart", "restart", or "stopwait" for a resource that the module waits for
---@field services string[] of a restart that a service asked for: the services to restart (restart_services); empty: all
---@field node string name of this server
---@field module string name of the module
---@field vars table<string,string> the <var> elements of userconfig.xml
---@field program string path of the orchestrator program
---@field dir string directory of the module
ctx = {}

--- What the function of a check in Lua (see docs/plugins.md, custom) is called with. In its file ctx is this, too.
---@class CheckContext
---@field resource string the resource that it decides: "custom.queue"
---@field args string[] the words of the attribute arg
---@field module string name of the module
---@field vars table<string,string> the <var> elements of userconfig.xml
---@field program string path of the orchestrator program
---@field dir string directory of the module

--- An application that a plugin controls; see application().
---@class Application
local Application = {}

--- What is known of an application.
---@class ApplicationStatus
---@field up boolean it runs
---@field reason string what was seen

--- Settings of the plugin (see `orchestrator plugin list`), and:
---@class StartOptions
---@field timeout? duration fails when it has not ended by then; the hook's own deadline holds in any case
---@field [string] any

--- Settings of the plugin, if other than at the start, and:
---@class StopOptions
---@field force? boolean kill it at once
---@field timeout? duration fails when it has not ended by then; the hook's own deadline holds in any case
---@field [string] any

--- A program, its arguments, and options.
---@class Command
---@field [integer] string|number
---@field timeout? duration fails when it has not ended by then; the hook's own deadline holds in any case
---@field env? table<string,string> variables in addition to those that the hook has
---@field dir? string directory to run in; default: the module's
---@field stdin? string what the program reads from its standard input; default: nothing
---@field check? boolean raise an error unless the program ends with code 0
---@field quiet? boolean do not copy the program's output to the hook's output

--- How a program ended.
---@class CommandResult
---@field code integer exit code; -1 if a signal ended it
---@field stdout string its standard output, at most 1 MiB
---@field stderr string its standard error, at most 1 MiB
---@field ok boolean the code is 0

--- An HTTP request.
---@class Request
---@field url string http:// or https://
---@field method? string default: "GET", or "POST" with a body
---@field headers? table<string,string> header fields
---@field body? string what to send
---@field expect? integer|integer[] raise an error unless the answer's status is this, or one of these
---@field insecure? boolean accept any TLS certificate
---@field timeout? duration default: 10s

--- An answer.
---@class Response
---@field status integer status code: 200
---@field body string at most 1 MiB
---@field headers table<string,string> header fields, names in lower case

--- Options of tcp.check and tcp.wait.
---@class TcpOptions
---@field timeout? duration tcp.check: default 5s; tcp.wait: default until the hook's deadline
---@field every? duration tcp.wait: pause between two attempts; default 200ms

--- What to repeat, and how often.
---@class Retry
---@field [integer] fun():any
---@field times? integer number of attempts; default 3
---@field every? duration pause between two attempts; default 1s

file = {}

log = {}

module = {}

resource = {}

tcp = {}

--- Names an application that a plugin starts and stops. Nothing happens until a method is called.
---
---```lua
---local web = application("process", "web")
---web:start { command = { "/usr/sbin/mywebd", "-f" }, timeout = "30s" }
---```
---@param plugin string name of the plugin: "process", "systemd", "w3svc"
---@param instance? string tells several applications of one plugin apart; default: the plugin's name
---@return Application app
function application(plugin, instance) end

--- Starts the application and returns when it runs; does nothing if it already does. The settings are remembered for stop and status. Raises an error if it cannot be started.
---@param options? StartOptions
function Application:start(options) end

--- Stops the application and returns when nothing of it runs any more; does nothing if it does not run. Uses the settings of the last start unless others are given.
---@param options? StopOptions
function Application:stop(options) end

--- Tells whether the application runs. Raises an error if nobody can tell.
---@return ApplicationStatus status
function Application:status() end

--- Tells whether the plugin can work on this server.
---@return boolean ok
---@return string reason why not
function Application:available() end

--- Names a service of the operating system: a systemd unit on Linux, a Windows service on Windows. The same as application("systemd", name) or application("w3svc", name) with the setting that names the service.
---
---```lua
---service("nginx"):start { timeout = "30s" }
---```
---@param name string name of the service: "nginx"
---@return Application app
function service(name) end

--- Runs a program and waits for its end. No shell is involved: every argument arrives as it is written. What the program prints goes to the hook's output too. Raises an error if the program cannot be started or does not end in time (it is killed with all its children then), and with check = true if it fails.
---
---```lua
---local r = exec { "nginx", "-t", timeout = "10s" }
---if not r.ok then fail("nginx refuses its configuration: " .. r.stderr) end
---```
---@param command Command
---@return CommandResult result
function exec(command) end

--- Sends an HTTP request and returns the answer, whatever its status. Redirections are followed. Raises an error if there is no answer, or not the expected one.
---
---```lua
---http { url = "http://127.0.0.1/health", timeout = "2s", expect = 200 }
---```
---@param request Request
---@return Response response
function http(request) end

--- Tries once to connect to an address.
---
---```lua
---local ok, why = tcp.check("127.0.0.1:5432", { timeout = "1s" })
---```
---@param address string host and port: "127.0.0.1:80", "[::1]:80"
---@param options? TcpOptions
---@return boolean ok
---@return string? reason why not
function tcp.check(address, options) end

--- Waits until an address accepts connections. Raises an error with the last reason if it does not in time.
---
---```lua
---tcp.wait("127.0.0.1:80", { timeout = "30s" })
---```
---@param address string host and port: "127.0.0.1:80", "[::1]:80"
---@param options? TcpOptions
function tcp.wait(address, options) end

--- Tells whether there is a file or directory.
---@param path string a path inside the module's directory, or an absolute path
---@return boolean exists
function file.exists(path) end

--- Returns the contents of a file, 16 MiB at most. Raises an error if it cannot be read.
---@param path string a path inside the module's directory, or an absolute path
---@return string text
function file.read(path) end

--- Writes a file: readers see the old contents or the new, never a part. An existing file keeps its permissions; a new one can be read by everybody and written by root.
---@param path string a path inside the module's directory, or an absolute path
---@param text string
function file.write(path, text) end

--- Removes a file or an empty directory; nothing happens if there is none.
---@param path string a path inside the module's directory, or an absolute path
function file.remove(path) end

--- Returns what is known of a resource of the module; nil for a resource that does not exist.
---@param name string class and identifier: "tcp.web", "custom.ready"
---@return "init"|"up"|"down"|"unknown"|nil value
---@return string? reason what was seen
function resource.get(name) end

--- Publishes a resource of the module, for failover rules and for people.
---
---```lua
---resource.set("custom.licence", "down", "the licence ends today")
---```
---@param name string class and identifier: "custom.ready"
---@param value "up"|"down"|"unknown"
---@param reason? string what was seen
function resource.set(name, value, reason) end

--- Stops the module on this server. The order is carried out when the hook has ended.
---@param reason? string shown by `orchestrator why`
function module.stop(reason) end

--- Restarts the application of the module on this server; the module stays active. The order is carried out when the hook has ended.
---@param reason? string shown by `orchestrator why`
function module.restart(reason) end

--- Stops the module on this server and starts it again. The order is carried out when the hook has ended.
---@param reason? string shown by `orchestrator why`
function module.stopstart(reason) end

--- Stops the application on this server and holds the module back until wakeup. The order is carried out when the hook has ended.
---@param reason? string shown by `orchestrator why`
function module.wait(reason) end

--- Lets a module go on that wait holds back. The order is carried out when the hook has ended.
---@param reason? string shown by `orchestrator why`
function module.wakeup(reason) end

--- Calls a function again until it neither raises an error nor returns false, and returns what it returned. Raises the last error when all attempts have failed.
---
---```lua
---retry { times = 5, every = "2s", function()
---  http { url = "http://127.0.0.1/", expect = 200 }
---end }
---```
---@param attempts Retry
---@return any ... what the function returned
function retry(attempts) end

--- Waits. To wait for something, tcp.wait and retry are better.
---@param time duration
function sleep(time) end

--- Ends the hook as failed, at once and for good: pcall does not catch it.
---
---```lua
---if not file.exists("/srv/data") then fail("/srv/data is not mounted") end
---```
---@param message string why, for the log and for `orchestrator why`
function fail(message) end

--- Loads a Lua file once and returns what it returned: bin/NAME.lua or lua/NAME.lua of the module, else one that comes with the product (see below). Files outside the module cannot be loaded.
---@param name string without .lua
---@return any value
function require(name) end

--- Marks a table as a list. Needed for an empty list in settings only: an empty table is taken for one with names.
---
---```lua
---application("process"):start { command = { "mywebd" }, groups = list {} }
---```
---@param values? table
---@return table values the same table
function list(values) end

--- Writes its arguments to the hook's output, as in standard Lua.
---@param ... any
function print(...) end

--- Returns a variable of the environment that programs of this hook get; nil if it is not set.
---@param name string
---@return string|nil value
function os.getenv(name) end

--- Writes a line to the hook's output and, at level info, to the module's log. With more than one argument, the first is a pattern as for string.format.
---@param message any
---@param ... any values for the pattern
function log.info(message, ...) end

--- Writes a line to the hook's output and, at level warn, to the module's log. With more than one argument, the first is a pattern as for string.format.
---@param message any
---@param ... any values for the pattern
function log.warn(message, ...) end

--- Writes a line to the hook's output and, at level error, to the module's log. With more than one argument, the first is a pattern as for string.format.
---@param message any
---@param ... any values for the pattern
function log.error(message, ...) end
