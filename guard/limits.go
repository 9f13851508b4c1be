package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vast-mcp/internal/usd"
)

// Limit is one limit as its flag has it.
type Limit struct {
	Name  string // of the flag, without its dashes
	Value string
}

// Limits are the limits that are set, in the order of the documentation. What
// Set makes of them is p again, but for its default lease.
func (p Policy) Limits() (all []Limit) {
	add := func(set bool, name string, value func() string) {
		if set {
			all = append(all, Limit{name, value()})
		}
	}
	money := func(name string, a *usd.Amount) {
		add(a != nil, name, func() string { return strings.TrimPrefix(a.String(), "$") })
	}
	money(LimitPerHour, p.MaxPerHour)
	money(LimitTotal, p.MaxTotalPerHour)
	add(p.MaxInstances != nil, LimitInstances, func() string { return strconv.Itoa(*p.MaxInstances) })
	money(LimitPerRental, p.MaxPerRental)
	money(LimitDailyBudget, p.DailyBudget)
	money(LimitKeepCredit, p.KeepCredit)
	add(p.MaxLease > 0, LimitLease, p.MaxLease.String)
	add(p.AllowImages != nil, LimitAllowImage, func() string { return strings.Join(p.AllowImages, ",") })
	add(p.AllowRegions != nil, LimitAllowRegion, func() string { return strings.Join(p.AllowRegions, ",") })
	return all
}

// Set sets the limit of that name from the text of a flag. It fails, and changes
// nothing, when there is no such limit or the text is none.
func (p *Policy) Set(l Limit) error {
	var err error
	money := func(to **usd.Amount) {
		var a usd.Amount
		if a, err = usd.Parse(l.Value); err == nil {
			*to = &a
		}
	}
	switch l.Name {
	case LimitPerHour:
		money(&p.MaxPerHour)
	case LimitTotal:
		money(&p.MaxTotalPerHour)
	case LimitPerRental:
		money(&p.MaxPerRental)
	case LimitDailyBudget:
		money(&p.DailyBudget)
	case LimitKeepCredit:
		money(&p.KeepCredit)
	case LimitInstances:
		var n uint64
		if n, err = strconv.ParseUint(l.Value, 10, 31); err == nil {
			p.MaxInstances = new(int(n))
		}
	case LimitLease:
		var d time.Duration
		if d, err = time.ParseDuration(l.Value); err == nil && d <= 0 {
			err = fmt.Errorf("%q is no length of time", l.Value)
		}
		if err == nil {
			p.MaxLease = d
		}
	case LimitAllowImage:
		p.AllowImages = list(l.Value)
	case LimitAllowRegion:
		p.AllowRegions = list(l.Value)
	default:
		err = fmt.Errorf("there is no such limit here")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.Name, err)
	}
	return nil
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// text is the value of the limit of that name; empty where it is not set.
func (p Policy) text(name string) string {
	for _, l := range p.Limits() {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Only is p without the limits that names leaves out.
func (p Policy) Only(names []string) (q Policy) {
	for _, l := range p.Limits() {
		if slices.Contains(names, l.Name) {
			_ = q.Set(l) // which Limits wrote
		}
	}
	return q
}

// tightened is the policy that denies what p or by denies.
func (p Policy) tightened(by Policy) Policy {
	p.MaxPerHour = least(p.MaxPerHour, by.MaxPerHour)
	p.MaxTotalPerHour = least(p.MaxTotalPerHour, by.MaxTotalPerHour)
	p.MaxInstances = least(p.MaxInstances, by.MaxInstances)
	p.MaxPerRental = least(p.MaxPerRental, by.MaxPerRental)
	p.DailyBudget = least(p.DailyBudget, by.DailyBudget)
	if by.KeepCredit != nil && (p.KeepCredit == nil || *p.KeepCredit < *by.KeepCredit) {
		p.KeepCredit = by.KeepCredit
	}
	if by.MaxLease > 0 && (p.MaxLease == 0 || by.MaxLease < p.MaxLease) {
		p.MaxLease = by.MaxLease
	}
	p.AllowImages = tighterImages(p.AllowImages, by.AllowImages)
	p.AllowRegions = tighterRegions(p.AllowRegions, by.AllowRegions)
	return p
}

// least is the smaller of two limits, of which nil is none.
func least[T cmp.Ordered](a, b *T) *T {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}
