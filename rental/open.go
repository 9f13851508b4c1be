package rental

import (
	"cmp"
	"context"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Order is a rental or a start whose outcome nobody knows yet. A machine may
// run for it and cost money.
type Order struct {
	Nonce   string
	PerHour usd.Amount // if it runs
	Why     string     // for people: what is known
}

// Open returns the orders that list, a complete one that was just read, does
// not settle. Those that it does settle are settled on the way.
func (d *Desk) Open(ctx context.Context, list []vast.Instance) (open []Order, err error) {
	if !d.journal.Exists() {
		return nil, nil
	}
	if err := d.reconcile(ctx, list); err != nil {
		return nil, err
	}
	realm, err := d.Realm(ctx)
	if err != nil {
		return nil, err
	}
	err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		counting, err := tx.Counting()
		for _, in := range counting {
			if in.Kind != guard.KindAct && in.State != journal.Prepared && in.State != journal.Rented {
				open = append(open, Order{Nonce: in.Nonce, PerHour: in.Rate, Why: cmp.Or(plain.Line(in.Why, 200), "its machine is not seen yet")})
			}
		}
		return err
	})
	return open, err
}
