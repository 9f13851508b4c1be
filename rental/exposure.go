package rental

import (
	"context"
	"fmt"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// Exposure is the complete list of what is there, for the guard to judge limits
// by, and what else it needs. Intents that the list settles are settled on the
// way. Charges and credit that cannot be read are left out, and said to be.
func (d *Desk) Exposure(ctx context.Context, need guard.Need) (guard.Exposure, error) {
	at := d.clock.Now()
	list, err := d.calm.Instances.All(ctx)
	if err != nil {
		return guard.Exposure{}, err
	}
	now := d.apiNow()
	if _, err := d.reconcile(ctx, list, ""); err != nil {
		return guard.Exposure{}, err
	}
	e := d.exposed(ctx, list, now, need)
	e.At = at
	return e, ctx.Err()
}

// Exposed is [Desk.Exposure] by a complete list that was just read, for what
// settles nothing.
func (d *Desk) Exposed(ctx context.Context, list []vast.Instance, need guard.Need) guard.Exposure {
	e := d.exposed(ctx, list, d.apiNow(), need)
	e.At = d.clock.Now()
	return e
}

func (d *Desk) exposed(ctx context.Context, list []vast.Instance, now time.Time, need guard.Need) guard.Exposure {
	e := guard.Exposure{Now: now}
	for _, in := range list {
		e.Rentals = append(e.Rentals, listed(in))
	}
	var err error
	if need.Charges {
		if e.Charges, err = d.chargedOn(ctx, e.Now); err != nil {
			d.log.Warn("what was charged today cannot be read: budgets go by what was seen", "err", err)
			e.Unread.Charges = true
		}
	}
	if need.Credit {
		if e.Credit, err = d.credit(ctx); err != nil {
			d.log.Warn("the account's credit cannot be read", "err", err)
			e.Unread.Credit = true
		}
	}
	return e
}

// listed is an instance as limits see it.
func listed(in vast.Instance) guard.Rental {
	_, tail, _ := ParseLabel(in.Label)
	r := guard.Rental{
		Nonce: tail.Nonce, Instance: int64(in.ID), Running: Running(in), Until: tail.Until, OnExpiry: tail.OnExpiry,
		Rate: usd.Ceil(in.PerHour), DiskRate: usd.Ceil(in.DiskPerHour),
		Traffic: usd.Ceil((in.UploadedMB*in.UploadPerGB + in.DownloadedMB*in.DownloadPerGB) / 1000),
	}
	if in.StartDate > 0 {
		r.Started = time.Unix(int64(in.StartDate), 0).UTC()
	}
	return r
}

// chargedOn is what the API charged so far for each instance on the UTC day of
// now, with nothing left out.
func (d *Desk) chargedOn(ctx context.Context, now time.Time) (all []guard.Charge, err error) {
	day := now.UTC().Truncate(24 * time.Hour)
	next := day.AddDate(0, 0, 1)
	query := vast.ChargeQuery{From: day, To: next, Types: []string{"instance"}}
	for c, err := range d.client.Billing.Charges(ctx, query) {
		if err != nil {
			return nil, err
		}
		id, ok := c.InstanceID()
		if !ok || c.Start < float64(day.Unix()) || c.Start >= float64(next.Unix()) {
			continue
		}
		_, tail, _ := ParseLabel(c.Label)
		all = append(all, guard.Charge{Instance: int64(id), Nonce: tail.Nonce, Amount: usd.Ceil(max(0, c.Amount))})
	}
	return all, nil
}

// credit is the account's credit at this moment: what the account's other
// details come from may be seconds old, which is too old for a sum of money.
func (d *Desk) credit(ctx context.Context) (*usd.Amount, error) {
	user, err := d.client.Account.Current(ctx)
	if err != nil {
		return nil, err
	}
	return new(usd.Floor(user.Credit)), nil
}

// autobillWarnings says that the credit does not end what can be spent.
func autobillWarnings(u vast.User) []string {
	if !u.HasBilling || u.AutobillAmount <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("autobill charges the card %s whenever the credit runs low, so the credit is no ceiling", usd.Floor(u.AutobillAmount))}
}
