require("nginx").start()
log.info("nginx answers on port %s", ctx.vars.PORT)
