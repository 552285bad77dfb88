-- Stops the application on this server. Its connections have moved to the
-- other servers before. Called twice: the second time with ctx.force, to make
-- sure.
local services = require("services")

services.stop { force = ctx.force }
