-- Starts the service W3SVC (World Wide Web Publishing Service) with all sites
-- that are set to start with it.
application("w3svc"):start { timeout = "50s" }
tcp.wait("127.0.0.1:" .. ctx.vars.PORT, { timeout = "10s" })
log.info("IIS answers on port %s", ctx.vars.PORT)
