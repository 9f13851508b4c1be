package view

import (
	"fmt"
	"strconv"
	"strings"

	"vast-mcp/guard"
)

// Policy is what the owner allows, and who says yes to the rest.
type Policy struct {
	Limits   []Limit    `json:"limits"`
	Mode     guard.Mode `json:"approval_mode"`
	Approval string     `json:"approval"`
	Sandbox  bool       `json:"sandbox"`
}

// OfPolicy is how an agent sees the owner's policy.
func OfPolicy(p guard.Policy, m guard.Mode, sandbox bool) Policy {
	return Policy{Limits: Limits(p), Mode: m, Approval: Approval(m), Sandbox: sandbox}
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
	add := func(name, value string) { all = append(all, Limit{name, value}) }
	if p.MaxPerHour != nil {
		add("max_dollars_per_hour", p.MaxPerHour.String()+" for one instance")
	}
	if p.MaxTotalPerHour != nil {
		add("max_total_dollars_per_hour", p.MaxTotalPerHour.String()+" for all that run")
	}
	if p.MaxInstances != nil {
		add("max_instances", strconv.Itoa(*p.MaxInstances)+" running")
	}
	add("default_lease", fmt.Sprintf("%g h", p.DefaultLease.Hours()))
	add("max_lease", fmt.Sprintf("%g h", p.MaxLease.Hours()))
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
