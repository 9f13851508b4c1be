package server

import (
	"context"
	"maps"
	"time"

	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

// idle is since when GPUs do nothing, for what shows it.
func (a *App) idle() view.Idle {
	if a.config.IdleAfter == 0 {
		return nil
	}
	return func(ctx context.Context, rows []vast.Instance) map[vast.InstanceID]time.Time {
		since := a.desk.SeeIdle(ctx, rows)
		now := a.config.Client.ServerTime()
		maps.DeleteFunc(since, func(_ vast.InstanceID, at time.Time) bool { return now.Sub(at) < a.config.IdleAfter })
		return since
	}
}
