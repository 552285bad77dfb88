-- Controls dnsmasq as a unit of systemd where that is possible, else as a plain
-- program that stays in the foreground.
local dns = {}

local function managed()
  local ok = application("systemd"):available()
  return ok
end

local function start()
  local ready = "127.0.0.1:" .. ctx.vars.PORT
  if managed() then
    application("systemd", "dnsmasq"):start { unit = "dnsmasq.service", timeout = "30s" }
  else
    local config = "--conf-file=" .. ctx.vars.CONFIG
    -- The configuration is tested first: its mistakes are then in the output.
    exec { ctx.vars.PROGRAM, "--test", config, timeout = "15s", check = true }
    application("process", "dnsmasq"):start {
      command = { ctx.vars.PROGRAM, "--keep-in-foreground", config, "--port=" .. ctx.vars.PORT, "--pid-file" },
      ready_tcp = ready,
      stop_timeout = "5s",
      timeout = "20s",
    }
  end
  tcp.wait(ready, { timeout = "10s" })
end

function dns.stop(force)
  if managed() then
    application("systemd", "dnsmasq"):stop { unit = "dnsmasq.service", force = force, timeout = "30s" }
  else
    application("process", "dnsmasq"):stop { force = force, timeout = "20s" }
  end
end

-- Goes on with what a daemon that was killed has left.
function dns.start()
  local app = application(managed() and "systemd" or "process", "dnsmasq")
  require("left").start(app, start, function() dns.stop(true) end)
end

return dns
