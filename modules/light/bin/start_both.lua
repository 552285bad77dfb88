-- Starts the application. The module is UP when this has come to its end; an error
-- ends the start.
local services = require("services")

services.start { timeout = "50s" } -- those named in SERVICES, in order

-- Other ways to start something:
--   application("process", "app"):start { command = { "/opt/app/run", "--foreground" } }
--   exec { "/opt/app/start.sh", timeout = "30s", check = true }
