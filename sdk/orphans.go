package sdk

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// orphanTime is how long an application may take to be stopped when the host is gone.
const orphanTime = 10 * time.Second

// orphans are the applications of this process that are not to go on without the host.
var orphans = bound{apps: map[appKey]boundApp{}}

type bound struct {
	mu   sync.Mutex
	apps map[appKey]boundApp
}

type appKey struct{ plugin, instance string }

type boundApp struct {
	app     Application
	request AppRequest // of its start
}

// start notes an application that is being started.
func (b *bound) start(plugin string, a Application, r AppRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Bound {
		b.apps[appKey{plugin, r.Instance}] = boundApp{a, r}
	}
}

func (b *bound) stopped(plugin, instance string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.apps, appKey{plugin, instance})
}

// stop stops all of them by force. The host is gone; the next one may be doing the same.
func (b *bound) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), orphanTime)
	defer cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	var all sync.WaitGroup
	for key, b := range b.apps {
		all.Go(func() {
			err := b.app.Stop(ctx, AppRequest{Instance: key.instance, Settings: b.request.Settings, Force: true})
			if err != nil {
				slog.Error("stop what is not to go on without the host", "instance", key.instance, "error", err)
			}
		})
	}
	all.Wait()
}
