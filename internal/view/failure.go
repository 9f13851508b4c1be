package view

import (
	"context"
	"errors"
	"log/slog"

	"vast-mcp/internal/tool"
)

// OfError is how an agent sees an error outside of a tool: in the words of
// explain, which knows the API's errors. Of any other error it learns nothing;
// the log gets it.
func OfError(err error, explain func(error) *tool.Failure, log *slog.Logger) *tool.Failure {
	if f, ok := errors.AsType[*tool.Failure](err); ok {
		return f
	}
	if errors.Is(err, context.Canceled) {
		return tool.Fail(tool.Cancelled, "the request was cancelled").Hint("ask again if it is still wanted")
	}
	if f := explain(err); f != nil {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return tool.Fail(tool.TimedOut, "there was no answer in time").Hint("ask again")
	}
	log.Error("failed inside", "err", err)
	return tool.Fail(tool.Internal, "it failed inside").Hint("look in the log of vast-mcp and report it")
}
