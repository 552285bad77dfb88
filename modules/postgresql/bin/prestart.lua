-- Nothing of PostgreSQL may run on a server that is not the primary.
local postgresql = require("postgresql")
postgresql.stop(true)
postgresql.takeover()
