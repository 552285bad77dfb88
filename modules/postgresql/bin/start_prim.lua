-- The data and the address are here: PostgreSQL recovers what it has to, and serves.
require("postgresql").start()
log.info("PostgreSQL answers on port %s", ctx.vars.PORT)
