-- Controls nginx as a unit of systemd where that is possible, else as a plain
-- program that stays in the foreground.
local nginx = {}

local function managed()
  local ok = application("systemd"):available()
  return ok
end

local function start()
  local ready = "127.0.0.1:" .. ctx.vars.PORT
  if managed() then
    application("systemd", "nginx"):start { unit = "nginx.service", timeout = "30s" }
  else
    -- The configuration is tested first: what is wrong stands before the last line.
    local test = exec { ctx.vars.PROGRAM, "-t", timeout = "15s" }
    if not test.ok then
      fail("nginx refuses its configuration: " .. (test.stderr:match("%[emerg%] *([^\n]*)") or test.stderr))
    end
    application("process", "nginx"):start {
      command = { ctx.vars.PROGRAM, "-g", "daemon off;" },
      ready_tcp = ready,
      stop_signal = "QUIT", -- answers the requests that it has begun
      stop_timeout = "10s",
      timeout = "20s",
    }
  end
  tcp.wait(ready, { timeout = "10s" })
end

function nginx.stop(force)
  if managed() then
    application("systemd", "nginx"):stop { unit = "nginx.service", force = force, timeout = "30s" }
  else
    application("process", "nginx"):stop { force = force, timeout = "20s" }
  end
end

-- Goes on with what a daemon that was killed has left.
function nginx.start()
  local app = application(managed() and "systemd" or "process", "nginx")
  require("left").start(app, start, function() nginx.stop(true) end)
end

return nginx
