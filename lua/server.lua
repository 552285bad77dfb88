-- Starts and stops a server program: as a unit of systemd where that is possible, else as a
-- plain program that stays in the foreground. In bin/app.lua:
--
--   return require("server").of {
--     name = "app", unit = "app.service", port = ctx.vars.PORT,
--     settings = function()
--       return { command = { "/usr/sbin/app", "--foreground" } }
--     end,
--   }
--
-- bin/start_both.lua then calls require("app").start(), bin/stop_both.lua
-- require("app").stop(ctx.force), and an empty bin/prestart.lua stops nothing: what a daemon
-- that was killed has left goes on.
local server = {}

--- The start and the stop of a server. name is what the application is called here, unit what
--- systemd calls it; it runs when port of this machine takes connections. settings() are
--- those of the plugin "process", and may test first what would fail later.
function server.of(what)
  local managed = (application("systemd"):available())
  local app = application(managed and "systemd" or "process", what.name)
  local answers = "127.0.0.1:" .. what.port
  local s = {}

  local function start()
    if managed then
      app:start { unit = what.unit, timeout = "30s" }
    else
      local settings = what.settings()
      settings.ready_tcp, settings.timeout = settings.ready_tcp or answers, settings.timeout or "20s"
      app:start(settings)
    end
    tcp.wait(answers, { timeout = "10s" })
  end

  function s.stop(force)
    if managed then
      app:stop { unit = what.unit, force = force, timeout = "30s" }
    else
      app:stop { force = force, timeout = "20s" }
    end
  end

  function s.start()
    require("left").start(app, start, function() s.stop(true) end)
  end

  return s
end

return server
