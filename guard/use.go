package guard

import (
	"fmt"
	"time"

	"vast-mcp/internal/usd"
)

// Use is how much of one limit is spoken for.
type Use struct {
	Limit      string     // the flag, without its dashes
	Day        time.Time  // of LimitDailyBudget: the midnight that the UTC day begins with
	Used, Most usd.Amount // dollars; of LimitInstances whole instances as dollars
}

// warnAt is the percentage of a limit from which on it is said.
const warnAt = 80

// Over reports whether the limit is passed.
func (u Use) Over() bool { return u.Used > u.Most }

// Left is what is not spoken for.
func (u Use) Left() usd.Amount { return max(u.Most-u.Used, 0) }

// Percent is how much of the limit is spoken for, at most 100, rounded down.
func (u Use) Percent() int {
	if u.Used >= u.Most {
		return 100
	}
	return int(u.Used.Float() / u.Most.Float() * 100)
}

// Near reports whether the limit is nearly used up: 80 % or more.
func (u Use) Near() bool { return u.Used > 0 && u.Percent() >= warnAt }

// String says what is spoken for, for people.
func (u Use) String() string {
	figures := fmt.Sprintf("%s of the %s", price(u.Used), u.Most)
	switch u.Limit {
	case LimitPerHour:
		return figures + "/h for one instance"
	case LimitTotal:
		return figures + "/h for all that run"
	case LimitInstances:
		return fmt.Sprintf("%d of the %d instances", u.Used/usd.Dollar, u.Most/usd.Dollar)
	case LimitPerRental:
		return figures + " for one rental"
	case LimitDailyBudget:
		return figures + " for " + u.Day.Format(time.DateOnly)
	}
	return figures + " credit above what is kept"
}

// Uses is how much of each limit on the account is spoken for: of the daily
// budget on each of the UTC days.
func (p Policy) Uses(l Load, days []time.Time) (all []Use) {
	if p.MaxTotalPerHour != nil {
		all = append(all, Use{Limit: LimitTotal, Used: l.Rate, Most: *p.MaxTotalPerHour})
	}
	if p.MaxInstances != nil {
		all = append(all, Use{Limit: LimitInstances, Used: whole(l.Instances), Most: whole(*p.MaxInstances)})
	}
	if p.DailyBudget != nil {
		for _, day := range days {
			all = append(all, Use{Limit: LimitDailyBudget, Day: day, Used: l.SpentOn(day).Add(l.Committed(day)), Most: *p.DailyBudget})
		}
	}
	if p.KeepCredit != nil && l.Credit != nil {
		all = append(all, Use{Limit: LimitKeepCredit, Used: l.promised(l.Now), Most: *l.Credit - *p.KeepCredit})
	}
	return all
}

// uses is how much of each limit would be spoken for with the rental of plan.
func (p Policy) uses(plan Plan, l Load) (all []Use) {
	if p.MaxPerHour != nil {
		all = append(all, Use{Limit: LimitPerHour, Used: plan.Rate, Most: *p.MaxPerHour})
	}
	if p.MaxPerRental != nil {
		all = append(all, Use{Limit: LimitPerRental, Used: plan.Before.Add(plan.Most()), Most: *p.MaxPerRental})
	}
	end := l.bill(plan).Until
	for _, u := range p.Uses(l.with(plan), daysTo(l.Now, end, longest)) {
		if u.Limit == LimitKeepCredit {
			u.Used = l.promised(end).Add(plan.Upfront).Add(plan.Rate.For(plan.ahead()))
		}
		all = append(all, u)
	}
	return all
}

// whole is a number of instances, as Use counts them.
func whole(n int) usd.Amount { return usd.Amount(min(n, 1<<30)) * usd.Dollar }

// longest is more days than any lease has.
const longest = 10_000

// Apart warns that limits hold for what one journal knows.
const Apart = "another vast-mcp without this journal works here: limits hold per journal only"

// warnings are what to say beside a plan that passes: limits that it nearly uses
// up, and who else spends. Of several days the fullest is named.
func (p Policy) warnings(plan Plan, l Load) (all []string) {
	var day *Use
	for _, u := range p.uses(plan, l) {
		switch {
		case !u.Near():
		case u.Limit != LimitDailyBudget:
			all = append(all, "with this, "+u.String()+" are spoken for")
		case day == nil || u.Used > day.Used:
			day = &u
		}
	}
	if day != nil {
		all = append(all, "with this, "+day.String()+" are spoken for")
	}
	if l.Strangers > 0 {
		all = append(all, Apart)
	}
	return all
}
