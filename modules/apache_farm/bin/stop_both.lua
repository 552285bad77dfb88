require("apache").stop(ctx.force)
