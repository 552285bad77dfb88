require("nginx").stop(ctx.force)
