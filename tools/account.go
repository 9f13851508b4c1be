package tools

import (
	"context"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

type account struct {
	user      Account
	instances Instances
	billing   Billing
	clock     APIClock
	inForce   func(ctx context.Context) guard.InForce
	idle      view.Idle
	sandbox   bool
}

func accountTools(d Deps) []tool.Tool {
	a := &account{user: d.Account, instances: d.Instances, billing: d.Billing, clock: d.APIClock, inForce: d.InForce, idle: d.Idle, sandbox: d.Sandbox}
	return []tool.Tool{
		tool.Read(tool.Spec{Name: "get_account", Title: "Get account", Doc: "Credit, what all instances cost per hour, how long the credit lasts, and the owner's limits."}, a.get),
		tool.Read(tool.Spec{Name: "get_spending", Title: "Get spending", Doc: "What was charged, by day, instance and kind. Rows of live instances lag."}, a.spending),
	}
}

func (a *account) get(ctx context.Context, _ tool.Call, _ struct{}) (view.Account, error) {
	user, err := a.user.Current(ctx)
	if err != nil {
		return view.Account{}, err
	}
	all, err := a.instances.All(ctx)
	if err != nil {
		return view.Account{}, err
	}
	return view.OfAccount(user, all, a.idle.Since(ctx, all...), a.inForce(ctx).Policy, a.sandbox), nil
}

// spendingInput is what get_spending takes.
type spendingInput struct {
	Days       int             `json:"days" jsonschema:"default=7,minimum=1,maximum=92" jsonschema_description:"UTC days back from today"`
	InstanceID vast.InstanceID `json:"instance_id,omitempty" jsonschema:"minimum=1" jsonschema_description:"only this instance"`
}

func (a *account) spending(ctx context.Context, _ tool.Call, in spendingInput) (view.Spending, error) {
	// The days are the API's: ask it anything to learn its clock.
	if _, err := a.user.Current(ctx); err != nil {
		return view.Spending{}, err
	}
	days := view.LastDays(in.Days, a.clock.ServerTime())
	return view.OfCharges(days, in.InstanceID, a.billing.Charges(ctx, days.Query()))
}
