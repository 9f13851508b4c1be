package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
)

// Budget is where the account stands with its limits.
type Budget struct {
	Limits   []Used      `json:"limits"`
	Days     []Day       `json:"days"`
	Credit   *usd.Amount `json:"credit_dollars,omitempty"`
	Unread   []string    `json:"could_not_read,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
	Sandbox  bool        `json:"sandbox"`
}

// Used is how much of one limit is spoken for: dollars, dollars per hour or
// instances, as the limit counts. That of the daily budget is today's.
type Used struct {
	Name    string     `json:"name"`
	From    string     `json:"from"`
	Used    usd.Amount `json:"used"`
	Limit   usd.Amount `json:"limit"`
	Left    usd.Amount `json:"left"`
	Percent int        `json:"percent"`
	Warning string     `json:"warning,omitempty"`
}

// figure is an amount of the limit as it counts.
func (u Used) figure(a usd.Amount) string {
	if u.Name == argument(guard.LimitInstances) {
		return fmt.Sprint(a.Float())
	}
	return a.String()
}

// Day is what rentals of this program cost on one UTC day.
type Day struct {
	Date      string      `json:"date"`
	Spent     usd.Amount  `json:"spent_dollars"`
	Committed usd.Amount  `json:"committed_dollars"`
	Left      *usd.Amount `json:"left_dollars,omitempty"` // of the daily budget; nil without one
}

// mostDays caps the days that are shown.
const mostDays = 31

// OfBudget is how an agent sees where the account stands.
func OfBudget(s guard.Standing, sandbox bool) Budget {
	b := Budget{Limits: []Used{}, Days: []Day{}, Credit: s.Load.Credit, Sandbox: sandbox}
	days := s.Load.Days(mostDays)
	for _, u := range s.InForce.Policy.Uses(s.Load, days[:1]) {
		line := Used{
			Name: argument(u.Limit), From: from(s.InForce.FromCeiling(u.Limit)),
			Used: u.Used, Limit: max(u.Most, 0), Left: u.Left(), Percent: u.Percent(),
		}
		if u.Near() {
			line.Warning = u.String() + " are spoken for"
			b.Warnings = append(b.Warnings, line.Warning)
		}
		b.Limits = append(b.Limits, line)
	}
	for _, day := range days {
		d := Day{Date: day.Format(time.DateOnly), Spent: s.Load.SpentOn(day), Committed: s.Load.Committed(day)}
		if most := s.InForce.Policy.DailyBudget; most != nil {
			d.Left = new(max(*most-d.Spent.Add(d.Committed), 0))
		}
		b.Days = append(b.Days, d)
	}
	if s.Unread.Charges {
		b.Unread = append(b.Unread, "what was charged today: spent is what this program saw")
	}
	if s.Unread.Credit {
		b.Unread = append(b.Unread, "the credit")
	}
	if s.Load.Strangers > 0 {
		b.Warnings = append(b.Warnings, guard.Apart)
	}
	return b
}

// Text is the budget as two small tables.
func (b Budget) Text() string {
	var text strings.Builder
	limits := table{{"limit", "used", "of", "left", ""}}
	for _, u := range b.Limits {
		limits = append(limits, []string{u.Name, u.figure(u.Used), u.figure(u.Limit), u.figure(u.Left), strconv.Itoa(u.Percent) + " %"})
	}
	if len(b.Limits) > 0 {
		text.WriteString(limits.String())
	}
	days := table{{"UTC day", "spent", "committed", "left"}}
	for _, d := range b.Days {
		left := "no budget"
		if d.Left != nil {
			left = d.Left.String()
		}
		days = append(days, []string{d.Date, d.Spent.String(), d.Committed.String(), left})
	}
	text.WriteString(days.String())
	if b.Credit != nil {
		fmt.Fprintf(&text, "credit: %s\n", *b.Credit)
	}
	return text.String() + titled("not to be read:", b.Unread) + titled("warnings:", b.Warnings)
}
