application("w3svc"):stop { force = ctx.force, timeout = "50s" }
