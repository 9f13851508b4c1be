package guard

import (
	"fmt"
	"time"

	"vast-mcp/internal/usd"
)

// Mode is who may approve.
type Mode string

// The approval modes.
const (
	Client   Mode = "client"   // the MCP client asks its user
	Operator Mode = "operator" // only the approve command counts
	Model    Mode = "model"    // the caller names the quote: for trusted pipelines
	Auto     Mode = "auto"     // nobody, within the limits; for what is not the caller's own, as Client
)

// Policy holds the owner's limits. A nil limit is no limit.
type Policy struct {
	MaxPerHour      *usd.Amount // one instance
	MaxTotalPerHour *usd.Amount // all that run
	MaxInstances    *int
	DailyBudget     *usd.Amount // dollars per UTC day
	DefaultLease    time.Duration
	MaxLease        time.Duration
}

// Refusal is a verdict of deny: which limit, the figures, and what would fit.
type Refusal struct {
	Limit   string // the flag, without its dashes
	Message string
	Next    string
}

func (r *Refusal) Error() string { return r.Message }

// Judge returns a Refusal when plan p would break a limit on top of load, and
// nil otherwise. It is pure.
func (p Policy) Judge(plan Plan, load Load) *Refusal {
	if plan.Effect == Destroy || plan.Effect == Access {
		return nil
	}
	after := load.plus(plan.Rate)
	switch {
	case plan.Rate == usd.Max:
		return &Refusal{
			Limit:   "max-dollars-per-hour",
			Message: "the price cannot be read, so it counts as more than any limit",
			Next:    "choose another offer, or call again in a moment",
		}
	case p.MaxPerHour != nil && plan.Rate > *p.MaxPerHour:
		return &Refusal{
			Limit:   "max-dollars-per-hour",
			Message: fmt.Sprintf("this costs %s/h and the owner allows %s/h for one instance", price(plan.Rate), *p.MaxPerHour),
			Next:    fmt.Sprintf("choose an offer at %s/h or less, its disk included", *p.MaxPerHour),
		}
	case p.MaxTotalPerHour != nil && after.Rate > *p.MaxTotalPerHour:
		return &Refusal{
			Limit:   "max-total-dollars-per-hour",
			Message: fmt.Sprintf("running instances cost %s/h already; with %s/h more the total of %s/h would be passed", price(load.Rate), price(plan.Rate), *p.MaxTotalPerHour),
			Next:    fitsTotal(*p.MaxTotalPerHour, load.Rate),
		}
	case p.MaxInstances != nil && after.Instances > *p.MaxInstances:
		return &Refusal{
			Limit:   "max-instances",
			Message: fmt.Sprintf("%d running and the owner allows %d", load.Instances, *p.MaxInstances),
			Next:    "stop or destroy an instance that is no longer needed",
		}
	case plan.Lease < 0:
		return &Refusal{
			Limit:   "max-lease",
			Message: fmt.Sprintf("a lease of %s is none", hours(plan.Lease)),
			Next:    "ask for lease_hours above 0",
		}
	case p.MaxLease > 0 && plan.Lease > p.MaxLease:
		return &Refusal{
			Limit:   "max-lease",
			Message: fmt.Sprintf("a lease of %s is longer than the %s that the owner allows", hours(plan.Lease), hours(p.MaxLease)),
			Next:    fmt.Sprintf("ask for lease_hours of %g or less", p.MaxLease.Hours()),
		}
	}
	return nil
}

func fitsTotal(limit, used usd.Amount) string {
	if used >= limit {
		return "nothing more fits: stop or destroy an instance first"
	}
	return fmt.Sprintf("an instance at %s/h or less would fit", limit-used)
}

// price names an amount that may be unreadable.
func price(a usd.Amount) string {
	if a == usd.Max {
		return "an unreadable price"
	}
	return a.String()
}

func hours(d time.Duration) string { return fmt.Sprintf("%g h", d.Hours()) }
