-- Starts the application on this server. The module is ready, and gets its
-- share of the connections, when this has come to its end.
-- An error ends the start: the server gets no connections.
local services = require("services")

services.start { timeout = "50s" } -- those named in SERVICES, in order

-- Other ways to start something:
--   application("process", "app"):start { command = { "/opt/app/run", "--foreground" } }
--   exec { "/opt/app/start.sh", timeout = "30s", check = true }
