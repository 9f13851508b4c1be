package doctor

import (
	"strings"

	"vast-mcp/internal/view"
)

func (p Patient) checkPolicy() Check {
	const name = "policy"
	var limits []string
	for _, l := range view.Limits(p.Policy) {
		limits = append(limits, l.Name+" "+l.Value)
	}
	all := strings.Join(limits, ", ")
	if p.Policy.MaxPerHour == nil && p.Policy.MaxTotalPerHour == nil && p.Policy.MaxInstances == nil {
		return warning(name, "set --max-dollars-per-hour, --max-total-dollars-per-hour or --max-instances",
			"nothing limits the price of a rental, or how many there are; set is only %s", all)
	}
	return ok(name, "%s", all)
}
