-- Stops the application. Called twice: the second time with ctx.force, to make sure.
local services = require("services")

services.stop { force = ctx.force }
