package guard

import (
	"cmp"
	"slices"
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

// The limits, by the names of their flags.
const (
	LimitPerHour      = "max-dollars-per-hour"
	LimitTotal        = "max-total-dollars-per-hour"
	LimitInstances    = "max-instances"
	LimitPerRental    = "max-rental-dollars"
	LimitDailyBudget  = "daily-budget"
	LimitKeepCredit   = "keep-credit"
	LimitLease        = "max-lease"
	LimitAllowImage   = "allow-image"
	LimitAllowRegion  = "allow-region"
	LimitDefaultLease = "default-lease" // not a limit, but said beside them
)

// Policy holds the owner's limits. A nil limit is no limit, and a MaxLease of
// zero is none.
type Policy struct {
	MaxPerHour      *usd.Amount // one instance
	MaxTotalPerHour *usd.Amount // all that run on the account
	MaxInstances    *int        // that run on the account
	MaxPerRental    *usd.Amount // one rental until its lease ends
	DailyBudget     *usd.Amount // rentals of ours on one UTC day
	KeepCredit      *usd.Amount // what must be left of the account's credit when every lease has ended
	DefaultLease    time.Duration
	MaxLease        time.Duration
	AllowImages     []string // patterns, see ImageAllowed; empty but not nil: none is allowed
	AllowRegions    []string // names that internal/region knows; likewise
}

// Judge returns a Refusal when plan would break a limit on top of load, and nil
// otherwise. It is pure.
func (p Policy) Judge(plan Plan, load Load) *Refusal {
	if !plan.judged() {
		return nil
	}
	if r := cmp.Or(p.forbids(plan), p.unread(plan, load)); r != nil {
		return r
	}
	if u, over := p.over(plan, load); over {
		return p.refuse(u, plan, load)
	}
	return nil
}

// Shows reports whether an offer at that rate in that place of the API can pass
// the policy at all.
func (p Policy) Shows(rate usd.Amount, place string) bool {
	return (p.MaxPerHour == nil || rate <= *p.MaxPerHour) && (p.AllowRegions == nil || placeAllowed(p.AllowRegions, place))
}

// over returns the first limit that plan would pass. What costs nothing is held
// against no sum of dollars.
func (p Policy) over(plan Plan, load Load) (Use, bool) {
	uses := p.uses(plan, load)
	at := slices.IndexFunc(uses, func(u Use) bool {
		sum := u.Limit == LimitDailyBudget || u.Limit == LimitKeepCredit
		return u.Over() && (!sum || plan.Rate > 0 || plan.Upfront > 0)
	})
	if at < 0 {
		return Use{}, false
	}
	return uses[at], true
}

// fits is the highest rate at which plan would pass every limit; zero when it
// would at none.
func (p Policy) fits(plan Plan, load Load) usd.Amount {
	bill := load.bill(plan)
	plan.Rate = 0
	rate := usd.Max
	for _, u := range p.uses(plan, load) {
		switch u.Limit {
		case LimitPerHour, LimitTotal:
			rate = min(rate, u.Left())
		case LimitPerRental, LimitKeepCredit:
			rate = min(rate, u.Left().Over(plan.Lease))
		case LimitDailyBudget:
			rate = min(rate, u.Left().Over(bill.runs(later(load.Now, u.Day), u.Day.Add(wholeDay))))
		}
	}
	plan.Rate = rate
	if _, over := p.over(plan, load); over || rate == usd.Max {
		return 0
	}
	return rate
}
