-- Controls Apache as a unit of systemd where that is possible, else as a plain
-- program that stays in the foreground. Debian and Ubuntu call it apache2, Red
-- Hat and its relatives httpd.
local apache = {}

local debian = "/usr/sbin/apache2"
local redhat = "/usr/sbin/httpd"

local function managed()
  local ok = application("systemd"):available()
  return ok
end

local function unit()
  return file.exists(debian) and "apache2.service" or "httpd.service"
end

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
    ready_tcp = "127.0.0.1:" .. ctx.vars.PORT,
    stop_signal = "WINCH", -- answers the requests that it has begun
    stop_timeout = "10s",
    timeout = "20s",
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

local function start()
  if managed() then
    application("systemd", "apache"):start { unit = unit(), timeout = "30s" }
  else
    application("process", "apache"):start(settings())
  end
  tcp.wait("127.0.0.1:" .. ctx.vars.PORT, { timeout = "10s" })
end

function apache.stop(force)
  if managed() then
    application("systemd", "apache"):stop { unit = unit(), force = force, timeout = "30s" }
  else
    application("process", "apache"):stop { force = force, timeout = "20s" }
  end
end

-- Goes on with what a daemon that was killed has left.
function apache.start()
  local app = application(managed() and "systemd" or "process", "apache")
  require("left").start(app, start, function() apache.stop(true) end)
end

return apache
