package guard

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
)

// Refusal is a verdict of deny: which limit, the figures, and what would fit.
type Refusal struct {
	Limit   string // the flag, without its dashes
	Message string
	Next    string
	Fits    usd.Amount // the highest rate per hour that would pass; zero: none would
}

func (r *Refusal) Error() string { return r.Message }

// forbids refuses what no price would mend.
func (p Policy) forbids(plan Plan) *Refusal {
	switch {
	case p.AllowImages != nil && !ImageAllowed(p.AllowImages, plan.Image):
		return &Refusal{
			Limit:   LimitAllowImage,
			Message: "the owner does not allow the image " + cmp.Or(plain.Line(plan.Image, 120), "(which one is not known)"),
			Next:    "use an image that matches " + listed(p.AllowImages),
		}
	case p.AllowRegions != nil && !placeAllowed(p.AllowRegions, plan.Place):
		return &Refusal{
			Limit:   LimitAllowRegion,
			Message: fmt.Sprintf("the machine stands in %s and the owner allows %s", cmp.Or(plain.Line(plan.Place, 60), "a place that is not known"), listed(p.AllowRegions)),
			Next:    "take an offer that search_offers shows: it leaves out what the owner forbids",
		}
	case plan.Lease < 0:
		return &Refusal{
			Limit:   LimitLease,
			Message: fmt.Sprintf("a lease of %s is none", hours(plan.Lease)),
			Next:    "ask for lease_hours above 0",
		}
	case p.MaxLease > 0 && plan.ahead() > p.MaxLease:
		return &Refusal{
			Limit:   LimitLease,
			Message: fmt.Sprintf("a lease of %s is longer than the %s that the owner allows", hours(plan.ahead()), hours(p.MaxLease)),
			Next:    fmt.Sprintf("ask for lease_hours of %g or less", p.MaxLease.Hours()),
		}
	}
	return nil
}

// unread refuses what cannot be judged: it counts against.
func (p Policy) unread(plan Plan, load Load) *Refusal {
	switch {
	case plan.Rate == usd.Max:
		return &Refusal{
			Limit:   LimitPerHour,
			Message: "the price cannot be read, so it counts as more than any limit",
			Next:    "choose another offer, or call again in a moment",
			Fits:    p.fits(plan, load),
		}
	case p.KeepCredit != nil && load.Credit == nil && plan.Rate > 0:
		return &Refusal{
			Limit:   LimitKeepCredit,
			Message: fmt.Sprintf("the account's credit cannot be read, and the owner keeps %s of it", *p.KeepCredit),
			Next:    "call again in a moment; if that does not help, the API key needs the permission user_read",
		}
	}
	return nil
}

// refuse says why plan passes the limit, and what would not.
func (p Policy) refuse(u Use, plan Plan, load Load) *Refusal {
	r := &Refusal{Limit: u.Limit}
	if plan.Kind != KindExtend { // which has no other price to choose
		r.Fits = p.fits(plan, load)
	}
	at := fmt.Sprintf("an offer at %s/h or less", r.Fits)
	least := "nothing more fits: stop or destroy an instance first"
	switch u.Limit {
	case LimitPerHour:
		r.Message = fmt.Sprintf("this costs %s/h and the owner allows %s/h for one instance", price(plan.Rate), u.Most)
		at = "choose " + at + ", its disk included"
	case LimitTotal:
		r.Message = fmt.Sprintf("running instances cost %s/h already; with %s/h more the total of %s/h would be passed", price(load.Rate), price(plan.Rate), u.Most)
		at = "an instance" + strings.TrimPrefix(at, "an offer") + " would fit"
	case LimitInstances:
		r.Message = fmt.Sprintf("%d running or on order, and the owner allows %d", load.Instances, *p.MaxInstances)
		least = "stop or destroy an instance that is no longer needed"
	case LimitPerRental:
		r.Message = fmt.Sprintf("this can cost %s by the end of its lease and the owner allows %s for one rental", price(u.Used), u.Most)
		at = "choose " + at + ", or ask for a shorter lease"
		least = "ask for a shorter lease"
	case LimitDailyBudget:
		spent, committed := load.SpentOn(u.Day), load.Committed(u.Day)
		r.Message = fmt.Sprintf("on %s (UTC) %s are spent and %s committed already; with %s more the daily budget of %s would be passed",
			u.Day.Format(time.DateOnly), price(spent), price(committed), price(u.Used-spent.Add(committed)), u.Most)
		at = "choose " + at + ", or ask for a shorter lease"
		least = "nothing more fits on that day: end an instance, or wait for the next UTC day"
	case LimitKeepCredit:
		r.Message = fmt.Sprintf("%s of credit can be spent before the %s that the owner keeps; what runs and this can cost %s", max(u.Most, 0), *p.KeepCredit, price(u.Used))
		at = "choose " + at + ", or ask for a shorter lease"
		least = "add credit, or stop what is no longer needed"
	}
	if r.Next = least; r.Fits > 0 {
		r.Next = at
	}
	return r
}

// listed is a list for people.
func listed(all []string) string {
	return cmp.Or(plain.Line(strings.Join(all, ", "), 200), "none")
}

// price names an amount that may be unreadable.
func price(a usd.Amount) string {
	if a == usd.Max {
		return "an unreadable price"
	}
	return a.String()
}

// hours is a length of time as people say it, to the hundredth of an hour.
func hours(d time.Duration) string { return fmt.Sprintf("%g h", math.Round(d.Hours()*100)/100) }
