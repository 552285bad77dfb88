-- Checks that replicated data belong, here too, to the user that works on them:
--
--   require("owner").check("/var/lib/mysql", "mysql")
--
local owner = {}

local function number(command)
  command.timeout, command.check, command.quiet = "10s", true, true
  return exec(command).stdout:match("%d+")
end

--- Fails if path belongs to another user than the one of this name: the numbers of users
--- are replicated, so they must mean the same on both servers.
function owner.check(path, user)
  local has, is = number { "stat", "--format=%u", path }, number { "id", "-u", user }
  if has ~= is then
    fail(("%s belongs to user %s, but %s is user %s here: give %s the same number on both servers"):format(path, has, user, is, user))
  end
end

return owner
