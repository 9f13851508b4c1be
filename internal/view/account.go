package view

import (
	"fmt"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// Account is what there is to spend, what is being spent, and the limits.
type Account struct {
	Username    string     `json:"username"`
	Credit      usd.Amount `json:"credit_dollars"`
	PerHour     usd.Amount `json:"burn_dollars_per_hour" jsonschema_description:"all instances, stopped disks included"`
	RunwayHours float64    `json:"runway_hours,omitempty" jsonschema_description:"until the credit is used up at this rate"`
	Running     int        `json:"running_instances"`
	Instances   int        `json:"instances"`
	Idle        int        `json:"idle_instances,omitempty" jsonschema_description:"running, and their GPUs do nothing"`
	IdlePerHour usd.Amount `json:"idle_dollars_per_hour,omitempty"`
	Autobill    bool       `json:"autobill" jsonschema_description:"the card is charged when the credit runs low, so the credit is no ceiling"`
	Policy      []Limit    `json:"policy"`
	Sandbox     bool       `json:"sandbox"`
}

// OfAccount is how an agent sees the account of u with all its instances; idle
// is since when some of them idle.
func OfAccount(u vast.User, all []vast.Instance, idle map[vast.InstanceID]time.Time, p guard.Policy, sandbox bool) Account {
	v := Account{
		Username: plain.Line(u.Username, 60), Credit: usd.Floor(u.Credit), Instances: len(all),
		Autobill: u.HasBilling && u.AutobillAmount > 0, Policy: Limits(p), Sandbox: sandbox,
	}
	for _, in := range all {
		v.PerHour = v.PerHour.Add(RateNow(in))
		if rental.Running(in) {
			v.Running++
		}
		if !idle[in.ID].IsZero() {
			v.Idle, v.IdlePerHour = v.Idle+1, v.IdlePerHour.Add(RateNow(in))
		}
	}
	if v.PerHour > 0 && v.Credit > 0 {
		v.RunwayHours = float64(int(v.Credit.Float()/v.PerHour.Float()*10)) / 10
	}
	return v
}

// Text is the account in a few lines.
func (v Account) Text() string {
	var b strings.Builder
	if v.Sandbox {
		b.WriteString("SANDBOX: nothing here costs real money.\n")
	}
	fmt.Fprintf(&b, "%s: %s credit. %d of %d instances running, %s/h in all", v.Username, v.Credit, v.Running, v.Instances, v.PerHour)
	if v.RunwayHours > 0 {
		fmt.Fprintf(&b, ", enough for %.1f h", v.RunwayHours)
	}
	b.WriteString(".\n")
	if v.Idle > 0 {
		fmt.Fprintf(&b, "%d of %d running instances idle: %s/h.\n", v.Idle, v.Running, v.IdlePerHour)
	}
	if v.Autobill {
		b.WriteString("Autobill is on: the card is charged when the credit runs low.\n")
	}
	return b.String() + LimitTable(v.Policy)
}
