package doctor

import (
	"errors"
	"fmt"
	"strings"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// view is the account as get_account shows it, so that the two never differ.
func (a answers) view() view.Account {
	return view.OfAccount(a.user, a.list, nil, guard.Policy{}, false)
}

func (a answers) checkInstances() Check {
	const name = "instances"
	switch {
	case a.blocked != "":
		return skipped(name, a.blocked)
	case errors.Is(a.listErr, vast.Denied):
		return skipped(name, "the key may not list instances")
	case a.listErr != nil:
		return wrong(name, "run doctor again in a moment; until the list is whole, renting is refused", "the list of instances cannot be relied on: %s", said(a.listErr))
	case len(a.list) == 0:
		return ok(name, "the list is complete: there are none")
	}
	leased := 0
	var late []string
	for _, row := range a.list {
		_, tail, hasLease := rental.ParseLabel(row.Label)
		if !hasLease || !rental.Running(row) {
			continue
		}
		leased++
		if tail.Until.Before(a.date) {
			late = append(late, fmt.Sprint(row.ID))
		}
	}
	v := a.view()
	detail := fmt.Sprintf("the list is complete: %d of %d running, %s/h in all; %d of the running have a lease", v.Running, v.Instances, v.PerHour, leased)
	if len(late) > 0 {
		return warning(name, "stop_instance or destroy_instance", "%s, and it is over for %s", detail, strings.Join(late, ", "))
	}
	return ok(name, "%s", detail)
}

func (a answers) checkSSHKeys() Check {
	const name = "ssh_keys"
	switch {
	case a.blocked != "":
		return skipped(name, a.blocked)
	case errors.Is(a.keysErr, vast.Denied):
		return skipped(name, "the key may not read SSH keys")
	case a.keysErr != nil:
		return warning(name, "run doctor again in a moment", "the SSH keys of the account cannot be read: %s", said(a.keysErr))
	case len(a.keys) == 0:
		return warning(name, "call add_ssh_key with the text of a public key, such as ~/.ssh/id_ed25519.pub", "the account has none, so nobody can log in to what is rented")
	}
	return ok(name, "%d on the account; new instances accept all of them", len(a.keys))
}

func (a answers) checkCredit() Check {
	const name = "credit"
	switch {
	case a.blocked != "":
		return skipped(name, a.blocked)
	case a.userErr != nil:
		return skipped(name, "the key may not read the account")
	}
	v := a.view()
	detail := fmt.Sprintf("%s is left", v.Credit)
	if v.RunwayHours > 0 {
		detail += fmt.Sprintf(", enough for %.1f h", v.RunwayHours)
	}
	if v.Autobill {
		detail += fmt.Sprintf("; autobill charges the card %s when it runs low, so the credit is no ceiling", usd.Floor(a.user.AutobillAmount))
	}
	switch {
	case v.Credit <= 0:
		return warning(name, "add credit at https://cloud.vast.ai/billing/; without any, nothing can be rented", "%s", detail)
	case v.Autobill:
		return warning(name, "set --daily-budget, which holds whatever the card pays, or turn autobill off at https://cloud.vast.ai/billing/", "%s", detail)
	}
	return ok(name, "%s", detail)
}
