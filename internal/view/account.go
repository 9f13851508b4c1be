package view

import (
	"fmt"
	"strconv"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
)

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

// SpentOn is what was charged for one day, instance or kind.
type SpentOn struct {
	Name    string     `json:"name"`
	Dollars usd.Amount `json:"dollars"`
}

// SpentTable is one line for each.
func SpentTable(all []SpentOn) string {
	var t table
	for _, s := range all {
		t = append(t, []string{"  " + s.Name, s.Dollars.String()})
	}
	return t.String()
}
