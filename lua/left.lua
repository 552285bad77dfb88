-- Goes on with an application that a daemon which was killed has left running, instead
-- of stopping it and starting it anew. In bin/start_both.lua:
--
--   local app = application("process", "app")
--   require("left").start(app, function()
--     app:start { command = { "/opt/app/run" }, ready_tcp = "127.0.0.1:80" }
--   end)
--
-- and a bin/prestart.lua that stops nothing, because without one the application is stopped
-- before each start.
local left = {}

--- Calls start if the application was left running, which then must find it. If it was not,
--- or cannot be used, for example because it is to run with other settings now, it is
--- stopped by force, by stop() if that is given, and started.
function left.start(app, start, stop)
  local known, status = pcall(app.status, app)
  if known and status.up then
    local ok, why = pcall(start)
    if ok then
      log.info("%s was left running and goes on", tostring(app))
      return
    end
    log.info("%s was left running, but cannot be used: %s", tostring(app), tostring(why))
  end
  if stop then
    stop()
  else
    app:stop { force = true }
  end
  start()
end

return left
