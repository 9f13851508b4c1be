package tools

import (
	"context"
	"fmt"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// fitting names the fastest offer that would pass where in was refused for its
// price: with as many GPUs, as much disk, and where the owner allows it.
func (i *instances) fitting(ctx context.Context, in createInput, p guard.Plan, r *guard.Refusal) string {
	search := searchInput{NumGPUs: p.GPUs, MaxPerHour: r.Fits.Float(), VerifiedOnly: true, DiskGB: in.DiskGB, Interruptible: in.BidPerHour > 0}
	terms, err := i.offers.terms(ctx, search)
	if err != nil {
		return ""
	}
	q := search.query(terms)
	q.Order = []vast.Order{{Field: "dlperf", Desc: true}, {Field: "dph_total"}}
	found, err := i.offers.market.Search(ctx, q)
	if err != nil {
		return ""
	}
	forbidden := i.offers.forbidden(ctx)
	for _, o := range found {
		if rate := usd.Ceil(o.PerHour); rate > 0 && rate <= r.Fits && !forbidden(o) {
			return fmt.Sprintf("%dx %s at %s/h would fit (offer %d)", o.NumGPUs, plain.Line(o.GPUName, 40), rate, o.ID)
		}
	}
	return ""
}

// forbidden reports offers that the owner's policy forbids whatever they are
// rented for. The search leaves them out; this holds if it does not.
func (o *offers) forbidden(ctx context.Context) func(vast.Offer) bool {
	policy := o.inForce(ctx).Policy
	return func(offer vast.Offer) bool { return !policy.Shows(usd.Ceil(offer.PerHour), offer.Geolocation) }
}
