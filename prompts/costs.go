package prompts

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"vast-mcp/internal/view"
)

// Days of charges that cost_review looks at.
const (
	proposedDays = 7
	mostDays     = 92
)

func (r *room) costReview() prompt {
	return prompt{
		name: "cost_review", title: "Review costs", needs: "get_spending",
		doc:       "What was spent, what is being spent now, how long the credit lasts, and what could be saved.",
		arguments: []argument{{name: "days", doc: fmt.Sprintf("days to look back, from 1 to %d; %d if left out", mostDays, proposedDays), check: isDays}},
		facts:     r.costs, script: r.costScript,
	}
}

func isDays(value string) bool {
	days, err := strconv.Atoi(value)
	return err == nil && days >= 1 && days <= mostDays
}

// maxSpent caps the charges, so that the instances have their place.
const maxSpent = 1500

func (r *room) costs(ctx context.Context, args arguments) (string, error) {
	summary, table, err := r.account(ctx)
	if err != nil {
		return "", err
	}
	count, err := strconv.Atoi(args["days"])
	if err != nil {
		count = proposedDays
	}
	return summary + clip(r.spending(ctx, count), maxSpent) + table, nil
}

// spending is what was charged, or why that is not known: a key may lack the
// permission to read charges and be good for the rest.
func (r *room) spending(ctx context.Context, count int) string {
	days := view.LastDays(count, r.APIClock.ServerTime())
	spending, err := view.OfCharges(days, 0, r.Billing.Charges(ctx, days.Query()))
	if err != nil {
		return "What was charged is not known: " + view.OfError(err, r.Explain, r.Log).Message + ".\n"
	}
	return spending.Text()
}

func (r *room) costScript(ctx context.Context, args arguments) script {
	return script{
		task: fmt.Sprintf("Review what I spend on Vast.ai. Look back %s days.", cmp.Or(args["days"], strconv.Itoa(proposedDays))),
		steps: []string{
			"From the facts below tell me in a few lines what was spent, what all instances cost per hour now, and how long the credit lasts. get_account and get_spending have the details.",
			"Point out waste: stopped instances that pay for a disk, instances that are stuck, offline or in an error state, running ones that idle or that I may have forgotten, and those without a lease.",
			"For the dearest running instance call search_offers for the same GPU. If the same costs a fifth less elsewhere, say so, and that moving means renting anew and copying the data.",
			"List what could be saved, the largest first: what to do, what it saves per hour and in 30 days, and what would be lost.",
			"Change nothing unless I say so. Then use stop_instance or destroy_instance. " + view.Approval(r.InForce(ctx).Mode),
		},
	}
}
