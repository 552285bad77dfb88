-- Called twice: the second time with ctx.force, to make sure.
require("postgresql").stop(ctx.force)
