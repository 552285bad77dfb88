-- Refuses the start where there is no IIS, and stops what runs already.
local ok, why = application("w3svc"):available()
if not ok then
  fail(why)
end
application("w3svc"):stop { force = true, timeout = "50s" }
