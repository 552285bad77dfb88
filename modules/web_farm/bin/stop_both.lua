application("process", "web"):stop { force = ctx.force, timeout = "20s" }
