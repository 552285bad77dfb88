-- Stops the application on this server, before the other one may start it. Called
-- twice: the second time with ctx.force, to make sure.
local services = require("services")

services.stop { force = ctx.force }
