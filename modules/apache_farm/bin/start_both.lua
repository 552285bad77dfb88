require("apache").start()
log.info("Apache answers on port %s", ctx.vars.PORT)
