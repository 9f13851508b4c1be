package resources

import (
	"context"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/internal/complete"
	"vast-mcp/internal/view"
)

// idsFor is how long the list of instances completes ids.
const idsFor = 10 * time.Second

type completer struct {
	ids *complete.List
}

// NewCompleter completes the id in the URIs of instances: by its digits or by
// the instance's label. It never fails: what cannot be read completes to
// nothing. It is safe for concurrent use.
func NewCompleter(d Deps) server.ResourceCompletionProvider {
	return &completer{complete.NewList(idsFor, d.Now, func(ctx context.Context) ([]complete.Choice, error) {
		all, err := d.Instances.All(ctx)
		return view.InstanceChoices(all), err
	})}
}

// CompleteResourceArgument implements server.ResourceCompletionProvider.
func (c *completer) CompleteResourceArgument(ctx context.Context, uri string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	if argument.Name != "id" || uri != instanceURI && uri != logsURI {
		return &mcp.Completion{}, nil
	}
	g := complete.Match(argument.Value, c.ids.Get(ctx))
	return &mcp.Completion{Values: g.Values, Total: g.Total, HasMore: g.More}, nil
}
