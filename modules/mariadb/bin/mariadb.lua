-- Controls MariaDB as Debian packages it. The server runs under the product's control, not
-- as Debian's unit: only the primary runs it, and only while its data is there.
local mariadb = {}

local app = application("process", "mariadb")

--- Debian's own start at boot, and what it has started, give way to the module.
function mariadb.takeover()
  if not file.exists("/usr/sbin/mariadbd") then
    fail("there is no /usr/sbin/mariadbd: install Debian's package mariadb-server")
  end
  if application("systemd"):available() then
    exec { "systemctl", "disable", "--now", "mariadb.service", timeout = "120s", check = true }
  end
end

function mariadb.start()
  require("owner").check(ctx.vars.DATA, "mysql")
  exec { "install", "-d", "-m", "0755", "-o", "mysql", "-g", "root", "/run/mysqld", timeout = "10s", check = true }
  app:start {
    command = {
      "setpriv", "--reuid=mysql", "--regid=mysql", "--init-groups", "--",
      "/usr/sbin/mariadbd", "--datadir=" .. ctx.vars.DATA, "--port=" .. ctx.vars.PORT, "--bind-address=*",
    },
    output = "/var/log/mysql/" .. ctx.module .. ".log",
    stop_timeout = "290s",
  }
  tcp.wait("127.0.0.1:" .. ctx.vars.PORT, { timeout = "590s" }) -- it listens when it has recovered
end

function mariadb.stop(force)
  app:stop { force = force }
end

return mariadb
