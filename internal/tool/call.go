package tool

import (
	"context"
	"sync/atomic"
	"time"

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

// reporter reports the progress of one call to the client that made it.
type reporter struct {
	srv    *server.MCPServer
	direct func(ctx context.Context, params map[string]any) bool
	token  mcp.ProgressToken
	queued atomic.Bool // a report, in the library
}

// reporterOf returns nil when the caller did not ask for progress.
func (r *Runner) reporterOf(ctx context.Context, req mcp.CallToolRequest) *reporter {
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return nil
	}
	return &reporter{srv: server.ServerFromContext(ctx), direct: r.report, token: req.Params.Meta.ProgressToken}
}

// report sends one report; one that cannot be delivered is dropped.
func (p *reporter) report(ctx context.Context, done, total float64, message string) {
	params := map[string]any{"progressToken": p.token, "progress": done, "message": message}
	if total > 0 {
		params["total"] = total
	}
	if p.direct(ctx, params) {
		return
	}
	p.queued.Store(true)
	_ = p.srv.SendNotificationToClient(ctx, "notifications/progress", params)
}

const (
	flushTries = 50 // bounds how long a client that does not read can hold a result
	flushPause = 4 * time.Millisecond
)

// flush waits until the reports have left: the library sends them from a queue
// of their own, and the result of the call could overtake or drop the last.
func (p *reporter) flush(ctx context.Context) {
	session := server.ClientSessionFromContext(ctx)
	if session == nil || !p.queued.Load() {
		return
	}
	for range flushTries {
		left := len(session.NotificationChannel())
		select {
		case <-time.After(flushPause): //nolint:forbidigo // a pause of the transport, not of the product
		case <-ctx.Done():
			return
		}
		if left == 0 {
			return
		}
	}
}
