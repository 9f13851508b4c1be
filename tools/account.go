package tools

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

type account struct {
	user      Account
	instances Instances
	billing   Billing
	clock     APIClock
	policy    guard.Policy
	sandbox   bool
}

func accountTools(d Deps) []tool.Tool {
	a := &account{user: d.Account, instances: d.Instances, billing: d.Billing, clock: d.APIClock, policy: d.Policy, sandbox: d.Sandbox}
	return []tool.Tool{
		tool.Read(tool.Spec{Name: "get_account", Title: "Get account", Doc: "Credit, what all instances cost per hour, how long the credit lasts, and the owner's limits."}, a.get),
		tool.Read(tool.Spec{Name: "get_spending", Title: "Get spending", Doc: "What was charged, by day, instance and kind. Rows of live instances lag."}, a.spending),
	}
}

// accountOutput is what get_account answers.
type accountOutput struct {
	Username    string       `json:"username"`
	Credit      usd.Amount   `json:"credit_dollars"`
	PerHour     usd.Amount   `json:"burn_dollars_per_hour" jsonschema_description:"all instances, stopped disks included"`
	RunwayHours float64      `json:"runway_hours,omitempty" jsonschema_description:"until the credit is used up at this rate"`
	Running     int          `json:"running_instances"`
	Instances   int          `json:"instances"`
	Autobill    bool         `json:"autobill" jsonschema_description:"the card is charged when the credit runs low, so the credit is no ceiling"`
	Policy      []view.Limit `json:"policy"`
	Sandbox     bool         `json:"sandbox"`
}

// Text is the account in a few lines.
func (o accountOutput) Text() string {
	var b strings.Builder
	if o.Sandbox {
		b.WriteString("SANDBOX: nothing here costs real money.\n")
	}
	fmt.Fprintf(&b, "%s: %s credit. %d of %d instances running, %s/h in all", o.Username, o.Credit, o.Running, o.Instances, o.PerHour)
	if o.RunwayHours > 0 {
		fmt.Fprintf(&b, ", enough for %.1f h", o.RunwayHours)
	}
	b.WriteString(".\n")
	if o.Autobill {
		b.WriteString("Autobill is on: the card is charged when the credit runs low.\n")
	}
	for _, l := range o.Policy {
		fmt.Fprintf(&b, "limit %s: %s\n", l.Name, l.Value)
	}
	return b.String()
}

func (a *account) get(ctx context.Context, _ tool.Call, _ struct{}) (accountOutput, error) {
	user, err := a.user.Current(ctx)
	if err != nil {
		return accountOutput{}, err
	}
	rows, err := a.instances.All(ctx)
	if err != nil {
		return accountOutput{}, err
	}
	out := accountOutput{
		Username: plain.Line(user.Username, 60), Credit: credit(user.Credit), Instances: len(rows),
		Autobill: user.HasBilling && user.AutobillAmount > 0, Policy: view.Limits(a.policy), Sandbox: a.sandbox,
	}
	for _, row := range rows {
		out.PerHour = out.PerHour.Add(rateNow(row))
		if rental.Running(row) {
			out.Running++
		}
	}
	if out.PerHour > 0 && out.Credit > 0 {
		out.RunwayHours = float64(int(out.Credit.Float()/out.PerHour.Float()*10)) / 10
	}
	return out, nil
}

// credit may be below zero, and rounds down: it must not look like more.
func credit(dollars float64) usd.Amount {
	if dollars < 0 {
		return -usd.Ceil(-dollars)
	}
	return usd.Amount(dollars*float64(usd.Dollar) + 1e-3)
}

// spendingInput is what get_spending takes.
type spendingInput struct {
	Days       int             `json:"days" jsonschema:"default=7,minimum=1,maximum=92" jsonschema_description:"UTC days back from today"`
	InstanceID vast.InstanceID `json:"instance_id,omitempty" jsonschema:"minimum=1" jsonschema_description:"only this instance"`
}

// spendingOutput is what get_spending answers.
type spendingOutput struct {
	From       string         `json:"from"`
	To         string         `json:"to"`
	Total      usd.Amount     `json:"total_dollars"`
	ByDay      []view.SpentOn `json:"by_day"`
	ByInstance []view.SpentOn `json:"by_instance"`
	ByKind     []view.SpentOn `json:"by_kind"`
	Filter     map[string]any `json:"applied_filter"`
}

// Text is the spending as three short lists.
func (o spendingOutput) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s charged from %s to %s.\n", o.Total, o.From, o.To)
	for _, part := range []struct {
		name string
		rows []view.SpentOn
	}{{"by day", o.ByDay}, {"by instance", o.ByInstance}, {"by kind", o.ByKind}} {
		if len(part.rows) > 0 {
			b.WriteString(part.name + "\n" + view.SpentTable(part.rows))
		}
	}
	return b.String()
}

func (a *account) spending(ctx context.Context, _ tool.Call, in spendingInput) (spendingOutput, error) {
	// The days are the API's: ask it anything to learn its clock.
	if _, err := a.user.Current(ctx); err != nil {
		return spendingOutput{}, err
	}
	now := a.clock.ServerTime()
	to := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	from := to.AddDate(0, 0, -in.Days)
	days, machines, kinds := map[string]float64{}, map[string]float64{}, map[string]float64{}
	total := 0.0
	for c, err := range a.billing.Charges(ctx, vast.ChargeQuery{From: from, To: to, Types: []string{"instance", "volume", "serverless"}}) {
		if err != nil {
			return spendingOutput{}, err
		}
		if id, ok := c.InstanceID(); in.InstanceID != 0 && (!ok || id != in.InstanceID) {
			continue
		}
		total += c.Amount
		days[time.Unix(int64(c.Start), 0).UTC().Format(time.DateOnly)] += c.Amount
		machines[plain.Line(c.Source, 60)] += c.Amount
		for _, item := range c.Items {
			kinds[kindName(item.Type)] += item.Amount
		}
	}
	out := spendingOutput{
		From: from.Format(time.DateOnly), To: now.UTC().Format(time.DateOnly), Total: credit(total),
		ByDay: spent(days), ByInstance: spent(machines), ByKind: spent(kinds), Filter: map[string]any{"days": in.Days},
	}
	if in.InstanceID != 0 {
		out.Filter["instance_id"] = in.InstanceID
	}
	return out, nil
}

// kindName says in English what the API charges for.
func kindName(kind string) string {
	return cmp.Or(map[string]string{"bwd": "download", "bwu": "upload"}[kind], plain.Line(kind, 20))
}

func spent(m map[string]float64) []view.SpentOn {
	all := []view.SpentOn{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, view.SpentOn{Name: name, Dollars: credit(m[name])})
	}
	return all
}
