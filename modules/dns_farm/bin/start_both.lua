require("dns").start()
log.info("dnsmasq answers on port %s", ctx.vars.PORT)
