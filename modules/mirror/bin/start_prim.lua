-- Starts the application on this server, which has become the primary. The virtual
-- address is here already. An error ends the start, and the other server takes over.
local services = require("services")

services.start { timeout = "50s" } -- those named in SERVICES, in order

-- Other ways to start something:
--   application("process", "app"):start { command = { "/opt/app/run", "--foreground" } }
--   exec { "/opt/app/start.sh", timeout = "30s", check = true }
