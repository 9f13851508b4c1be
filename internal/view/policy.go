package view

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
)

// Policy is what the owner allows, and who says yes to the rest.
type Policy struct {
	Limits   []Rule     `json:"limits"`
	Mode     guard.Mode `json:"approval_mode"`
	ModeFrom string     `json:"approval_mode_from"`
	Approval string     `json:"approval"`
	Warnings []string   `json:"warnings,omitempty"`
	Sandbox  bool       `json:"sandbox"`
}

// Rule is a limit and who set it: a flag, which may be in the environment or
// left at its default, or the ceiling that is stored for the account.
type Rule struct {
	Limit
	From string `json:"from"`
}

// OfPolicy is how an agent sees the owner's policy.
func OfPolicy(in guard.InForce, sandbox bool) Policy {
	p := Policy{Limits: []Rule{}, Mode: in.Mode, ModeFrom: from(in.ModeFromCeiling()), Approval: Approval(in.Mode), Sandbox: sandbox}
	if in.Sealed {
		p.ModeFrom = "approver"
	}
	for _, l := range Limits(in.Policy) {
		p.Limits = append(p.Limits, Rule{l, from(in.FromCeiling(flagOf(l.Name)))})
	}
	return p
}

func from(ceiling bool) string {
	if ceiling {
		return "ceiling"
	}
	return "flag"
}

// argument is how agents spell the name of a flag.
func argument(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

func flagOf(argument string) string { return strings.ReplaceAll(argument, "_", "-") }

// Text is the policy as a table.
func (p Policy) Text() string {
	t := table{{"limit", "value", "from"}}
	for _, r := range p.Limits {
		t = append(t, []string{r.Name, r.Value, r.From})
	}
	text := append(t, []string{"approve", string(p.Mode), p.ModeFrom}).String()
	return text + titled("warnings:", p.Warnings)
}

// titled is a list for people, nothing when it is empty.
func titled(title string, all []string) string {
	if len(all) == 0 {
		return ""
	}
	return title + "\n  " + strings.Join(all, "\n  ") + "\n"
}

// Approval says in one sentence how a call is approved in mode m.
func Approval(m guard.Mode) string {
	switch m {
	case guard.Operator:
		return "Renting, starting, destroying and adding keys must be approved by the owner: tell them the command that approval_needed names, then repeat the same call."
	case guard.Model:
		return "Renting, starting, destroying and adding keys return approval_needed with a quote first; repeat the same call with approval set to its quote_id to go ahead."
	case guard.Auto:
		return "Renting, starting, adding keys and ending what you rented go ahead within the owner's limits; ending what you did not rent asks the user or returns approval_needed: tell the user the command in it, then repeat the same call."
	case guard.Client:
	}
	return "Renting, starting, destroying and adding keys ask the user first; where that is not possible they return approval_needed: tell the user the command in it, then repeat the same call."
}

// Limit is one of the owner's limits.
type Limit struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Limits lists the limits in force, those that are not set left out.
func Limits(p guard.Policy) []Limit {
	all := []Limit{}
	add := func(flag, value string) { all = append(all, Limit{argument(flag), value}) }
	money := func(flag string, a *usd.Amount, what string) {
		if a != nil {
			add(flag, a.String()+" "+what)
		}
	}
	money(guard.LimitPerHour, p.MaxPerHour, "for one instance")
	money(guard.LimitTotal, p.MaxTotalPerHour, "for all that run")
	if p.MaxInstances != nil {
		add(guard.LimitInstances, strconv.Itoa(*p.MaxInstances)+" running")
	}
	money(guard.LimitPerRental, p.MaxPerRental, "for one rental")
	money(guard.LimitDailyBudget, p.DailyBudget, "on each UTC day")
	money(guard.LimitKeepCredit, p.KeepCredit, "stays")
	add(guard.LimitDefaultLease, fmt.Sprintf("%g h", p.DefaultLease.Hours()))
	add(guard.LimitLease, fmt.Sprintf("%g h", p.MaxLease.Hours()))
	list := func(flag string, list []string) {
		if list != nil {
			add(flag, cmp.Or(plain.Line(strings.Join(list, ", "), 200), "none"))
		}
	}
	list(guard.LimitAllowImage, p.AllowImages)
	list(guard.LimitAllowRegion, p.AllowRegions)
	return all
}

// LimitTable is one line for each.
func LimitTable(all []Limit) string {
	var b strings.Builder
	for _, l := range all {
		fmt.Fprintf(&b, "limit %s: %s\n", l.Name, l.Value)
	}
	return b.String()
}
