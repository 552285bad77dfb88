-- Controls nginx.
return require("server").of {
  name = "nginx",
  unit = "nginx.service",
  port = ctx.vars.PORT,
  settings = function()
    -- The configuration is tested first: its mistakes are then in the output.
    exec { ctx.vars.PROGRAM, "-t", timeout = "15s", check = true }
    return {
      command = { ctx.vars.PROGRAM, "-g", "daemon off;" },
      stop_signal = "QUIT", -- answers the requests that it has begun
      stop_timeout = "10s",
    }
  end,
}
