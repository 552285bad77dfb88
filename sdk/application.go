package sdk

import (
	"context"
	"encoding/json"
)

// AppRequest names an instance of an application and how to treat it.
type AppRequest struct {
	Instance string          // unique on the node: module/name
	Settings json.RawMessage // validated against the schema
	Force    bool            // Stop: kill at once
	// Bound: Start: it is not to go on without the host. When that is gone, Serve stops it by
	// force before it ends.
	Bound bool
}

// Application starts and stops one kind of application. The deadline is ctx's.
// A call may be repeated when its answer was lost, so Start and Stop must do
// nothing, successfully, when there is nothing to do.
type Application interface {
	Describe() Description
	// Start returns when the application runs, nil if it already did.
	Start(ctx context.Context, r AppRequest) error
	// Stop returns when nothing of the application runs, nil if nothing did.
	Stop(ctx context.Context, r AppRequest) error
	Status(ctx context.Context, r AppRequest) Result
}
