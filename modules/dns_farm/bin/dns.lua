-- Controls dnsmasq.
return require("server").of {
  name = "dnsmasq",
  unit = "dnsmasq.service",
  port = ctx.vars.PORT,
  settings = function()
    local config = "--conf-file=" .. ctx.vars.CONFIG
    -- The configuration is tested first: its mistakes are then in the output.
    exec { ctx.vars.PROGRAM, "--test", config, timeout = "15s", check = true }
    return {
      command = { ctx.vars.PROGRAM, "--keep-in-foreground", config, "--port=" .. ctx.vars.PORT, "--pid-file" },
      stop_timeout = "5s",
    }
  end,
}
