-- Controls one cluster of PostgreSQL, laid out as Debian's postgresql-common does. The
-- server runs under the product's control, not as Debian's unit: only the primary runs
-- it, and only while its data is there.
local postgresql = {}

local app = application("process", "postgresql")

--- The cluster: version, name, folder of its configuration, folder of its data.
function postgresql.cluster()
  local found = {}
  local list = exec { "pg_lsclusters", "--no-header", timeout = "20s", check = true, quiet = true }
  for line in list.stdout:gmatch("[^\n]+") do
    local version, name, data = line:match("^(%S+)%s+(%S+)%s+%S+%s+%S+%s+%S+%s+(%S+)")
    if version and (ctx.vars.CLUSTER == "" or ctx.vars.CLUSTER == version .. "/" .. name) then
      found[#found + 1] = { version = version, name = name, data = data, conf = "/etc/postgresql/" .. version .. "/" .. name }
    end
  end
  if #found == 0 then
    fail("pg_lsclusters shows no cluster of PostgreSQL" .. (ctx.vars.CLUSTER == "" and "" or " called " .. ctx.vars.CLUSTER) .. ": install Debian's package postgresql, or make one with pg_createcluster")
  end
  if #found > 1 then
    fail("there are several clusters of PostgreSQL: choose one with --set CLUSTER=" .. found[1].version .. "/" .. found[1].name)
  end
  local one = found[1]
  if one.data:sub(1, #ctx.vars.DATA + 1) ~= ctx.vars.DATA .. "/" then
    fail("the data of " .. one.version .. "/" .. one.name .. " is in " .. one.data .. ", not in the replicated folder: install with --set DATA=" .. one.data:match("^(.*)/"))
  end
  return one
end

--- Debian's own start at boot, and what it has started, give way to the module.
function postgresql.takeover()
  local c = postgresql.cluster()
  file.write("start.conf", "# The module " .. ctx.module .. " of orchestrator starts this cluster.\nmanual\n")
  exec { "install", "-m", "0644", "-o", "postgres", "-g", "postgres", ctx.dir .. "/start.conf", c.conf .. "/start.conf", timeout = "10s", check = true }
  if not app:status().up then
    exec { "pg_ctlcluster", "--mode", "fast", c.version, c.name, "stop", timeout = "60s" } -- fails where nothing runs
  end
end

--- pg_hba.conf, and a line for the clients of the virtual address.
local function access(c)
  local text = file.read(c.conf .. "/pg_hba.conf")
  if ctx.vars.CLIENTS ~= "" then
    text = text .. "\n# The module " .. ctx.module .. " adds this, see its macro CLIENTS.\nhost all all " .. ctx.vars.CLIENTS .. " scram-sha-256\n"
  end
  local path = c.conf .. "/pg_hba." .. ctx.module .. ".conf"
  file.write("pg_hba.conf", text)
  exec { "install", "-m", "0640", "-o", "postgres", "-g", "postgres", ctx.dir .. "/pg_hba.conf", path, timeout = "10s", check = true }
  return path
end

-- Before it recovers from a crash PostgreSQL syncs all its files, a thousand or more, one by
-- one. Where the folder has just become writable one call does that for the disk behind it; then
-- PostgreSQL is to ask for the file system as a whole (since version 14), which in the folder does
-- nothing. The secondary syncs what it lacks before it counts as equal.
local function is_durable(c)
  return ctx.action ~= "restart" and (tonumber(c.version) or 0) >= 14
    and exec { "sync", "--file-system", ctx.vars.DATA .. "_For_SafeKit_Replication", timeout = "60s" }.ok
end

function postgresql.start()
  local c = postgresql.cluster()
  require("owner").check(c.data, "postgres")
  local hba = access(c)
  exec { "install", "-d", "-m", "2775", "-o", "postgres", "-g", "postgres", "/run/postgresql", timeout = "10s", check = true }
  if not app:status().up then
    -- Left by a server that was lost: whose process number it was says nothing here.
    exec { "rm", "-f", c.data .. "/postmaster.pid", timeout = "10s", check = true }
  end
  local command = {
    "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--",
    "/usr/lib/postgresql/" .. c.version .. "/bin/postgres", "-D", c.data, "-p", ctx.vars.PORT,
    "-c", "config_file=" .. c.conf .. "/postgresql.conf", "-c", "hba_file=" .. hba, "-c", "listen_addresses=*",
  }
  if is_durable(c) then
    command[#command + 1] = "--recovery_init_sync_method=syncfs"
  end
  app:start {
    command = command,
    output = "/var/log/postgresql/postgresql-" .. c.version .. "-" .. c.name .. ".log",
    stop_signal = "INT", -- fast: ends the sessions, then writes a checkpoint
    stop_timeout = "110s",
  }
  -- It listens before it has recovered: wait until it lets somebody in.
  retry { times = 5900, every = "100ms", function()
    if not app:status().up then
      fail("PostgreSQL has ended while it started: its log says why")
    end
    exec { "pg_isready", "--quiet", "--host=/run/postgresql", "--port=" .. ctx.vars.PORT, timeout = "5s", check = true, quiet = true }
  end }
end

function postgresql.stop(force)
  app:stop { force = force }
end

return postgresql
