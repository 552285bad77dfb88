-- Starts and stops the services that a module names in the variable SERVICES,
-- separated by commas or spaces:
--
--   local services = require("services")
--   services.start()               -- in order; each must run within 30 s
--   services.stop { force = ctx.force }   -- in reverse order
--
local services = {}

--- The names in the variable SERVICES, or in the given text.
function services.names(text)
  local names = {}
  for name in (text or ctx.vars.SERVICES or ""):gmatch("[^%s,]+") do
    names[#names + 1] = name
  end
  return names
end

--- Starts all services in order.
function services.start(options)
  options = options or {}
  for _, name in ipairs(services.names(options.names)) do
    log.info("starting %s", name)
    service(name):start { timeout = options.timeout or "30s" }
  end
end

--- Stops all services in reverse order. Each is tried even if one before it
--- cannot be stopped.
function services.stop(options)
  options = options or {}
  local names, failures = services.names(options.names), {}
  for i = #names, 1, -1 do
    log.info("stopping %s", names[i])
    local ok, err = pcall(function()
      service(names[i]):stop { force = options.force, timeout = options.timeout or "30s" }
    end)
    if not ok then
      failures[#failures + 1] = tostring(err)
    end
  end
  if #failures > 0 then
    error(table.concat(failures, "; "), 0)
  end
end

return services
