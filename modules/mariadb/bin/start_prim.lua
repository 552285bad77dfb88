-- The data and the address are here: MariaDB recovers what it has to, and serves.
require("mariadb").start()
log.info("MariaDB answers on port %s", ctx.vars.PORT)
