-- Called twice: the second time with ctx.force, to make sure.
require("mariadb").stop(ctx.force)
