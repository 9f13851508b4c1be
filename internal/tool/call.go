package tool

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Call is the call that a handler serves.
type Call struct {
	// Caller names the principal: "local", or the name of a bearer token.
	Caller string

	progress func(done, total float64, message string)
}

// Progress tells a caller that asked for it how far the work is. total is 0
// when it is not known.
func (c Call) Progress(done, total float64, message string) {
	if c.progress != nil {
		c.progress(done, total, message)
	}
}

// progressOf returns how to report progress for req, nil when its caller did
// not ask. A report that cannot be delivered is dropped.
func progressOf(ctx context.Context, req mcp.CallToolRequest) func(done, total float64, message string) {
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return nil
	}
	token, srv := req.Params.Meta.ProgressToken, server.ServerFromContext(ctx)
	return func(done, total float64, message string) {
		params := map[string]any{"progressToken": token, "progress": done, "message": message}
		if total > 0 {
			params["total"] = total
		}
		_ = srv.SendNotificationToClient(ctx, "notifications/progress", params)
	}
}
