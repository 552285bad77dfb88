-- Nothing of MariaDB may run on a server that is not the primary.
local mariadb = require("mariadb")
mariadb.stop(true)
mariadb.takeover()
