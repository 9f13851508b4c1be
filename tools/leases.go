package tools

import (
	"context"

	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
)

type leases struct {
	desk *rental.Desk
}

func leaseTools(d Deps) []tool.Tool {
	l := &leases{desk: d.Desk}
	return []tool.Tool{
		tool.Read(tool.Spec{Name: "list_leases", Title: "List leases", Doc: "Leases by their end: time left, rate, cost so far and at most, and who ends them."}, l.list),
		tool.Read(tool.Spec{
			Name: "list_orphans", Title: "List orphans",
			Doc: "What goes on costing money without a lease that ends it, stopped disks and volumes included, and the call that ends each.",
		}, l.orphans),
	}
}

// rowsInput is how many rows to show.
type rowsInput struct {
	Limit int `json:"limit" jsonschema:"default=25,minimum=1,maximum=1000" jsonschema_description:"rows"`
}

func (l *leases) list(ctx context.Context, _ tool.Call, in rowsInput) (view.Leases, error) {
	all, err := l.desk.Leases(ctx)
	if err != nil {
		return view.Leases{}, err
	}
	return view.OfLeases(all, in.Limit), nil
}

func (l *leases) orphans(ctx context.Context, _ tool.Call, in rowsInput) (view.Orphans, error) {
	all, err := l.desk.Orphans(ctx)
	if err != nil {
		return view.Orphans{}, err
	}
	return view.OfOrphans(all, in.Limit, view.ByAgent), nil
}
