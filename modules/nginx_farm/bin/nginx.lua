-- Controls nginx.
return require("server").of {
  name = "nginx",
  unit = "nginx.service",
  port = ctx.vars.PORT,
  settings = function()
    -- The configuration is tested first: what is wrong stands before the last line.
    local test = exec { ctx.vars.PROGRAM, "-t", timeout = "15s" }
    if not test.ok then
      fail("nginx refuses its configuration: " .. (test.stderr:match("%[emerg%] *([^\n]*)") or test.stderr))
    end
    return {
      command = { ctx.vars.PROGRAM, "-g", "daemon off;" },
      stop_signal = "QUIT", -- answers the requests that it has begun
      stop_timeout = "10s",
    }
  end,
}
