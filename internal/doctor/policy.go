package doctor

import (
	"strings"

	"vast-mcp/guard"
	"vast-mcp/internal/view"
)

// checkPolicy tells the limits in force, those that are stored for the account
// included.
func (p Patient) checkPolicy(m memory) Check {
	const name = "policy"
	in, err := m.ceiling.Under(p.Policy, guard.Client)
	if err != nil {
		return wrong(name, "vast-mcp policy clear, or update this program; until then nothing can be rented", "%v", err)
	}
	var limits []string
	for _, l := range view.OfPolicy(in, p.Sandbox).Limits {
		line := l.Name + " " + l.Value
		if l.From != "flag" {
			line += " (" + l.From + ")"
		}
		limits = append(limits, line)
	}
	all := strings.Join(limits, ", ")
	switch {
	case in.Policy.MaxPerHour == nil && in.Policy.MaxTotalPerHour == nil && in.Policy.MaxInstances == nil:
		return warning(name, "set --daily-budget, and --max-dollars-per-hour, --max-total-dollars-per-hour or --max-instances",
			"nothing limits the price of a rental, or how many there are; set is only %s", all)
	case in.Policy.DailyBudget == nil:
		return warning(name, "set --daily-budget", "nothing limits what a day may cost; set is %s", all)
	}
	return ok(name, "%s", all)
}
