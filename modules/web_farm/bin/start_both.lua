-- Starts the small web server that is part of the product.
local address = ":" .. ctx.vars.PORT
local web = application("process", "web")

require("left").start(web, function()
  web:start {
    command = { ctx.program, "web", "--listen", address, "--node-name", ctx.node },
    ready_tcp = "127.0.0.1" .. address,
    stop_timeout = "5s",
    timeout = "15s",
  }
end)
log.info("web server listens on %s", address)
