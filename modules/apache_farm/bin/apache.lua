-- Controls Apache. Debian and Ubuntu call it apache2, Red Hat and its relatives httpd.
local debian = "/usr/sbin/apache2"
local redhat = "/usr/sbin/httpd"

-- What Debian's apache2ctl would set, with a process file for each module and
-- server, so that several can run on one machine.
local function debian_environment()
  local run = "/run/apache2-" .. ctx.module .. "-" .. ctx.node
  exec { "mkdir", "-p", run, check = true }
  return {
    APACHE_RUN_USER = "www-data",
    APACHE_RUN_GROUP = "www-data",
    APACHE_RUN_DIR = run,
    APACHE_LOCK_DIR = run,
    APACHE_PID_FILE = run .. "/apache2.pid",
    APACHE_LOG_DIR = "/var/log/apache2",
    LANG = "C",
  }
end

local function settings()
  local s = {
    stop_signal = "WINCH", -- answers the requests that it has begun
    stop_timeout = "10s",
  }
  if file.exists(debian) then
    s.command = { debian, "-D", "FOREGROUND" }
    s.env = debian_environment()
  elseif file.exists(redhat) then
    s.command = { redhat, "-D", "FOREGROUND" }
  else
    fail("Apache is not installed: there is neither " .. debian .. " nor " .. redhat)
  end
  return s
end

return require("server").of {
  name = "apache",
  unit = file.exists(debian) and "apache2.service" or "httpd.service",
  port = ctx.vars.PORT,
  settings = settings,
}
