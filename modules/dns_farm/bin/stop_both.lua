require("dns").stop(ctx.force)
