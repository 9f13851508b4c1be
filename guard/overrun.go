package guard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// Overrun is a rental of ours that turned out dearer than its owner allows: no
// limit at admission bounds what a machine costs that runs.
type Overrun struct {
	Instance int64
	Nonce    string
	Why      string // for people
}

// Overruns finds the rentals of ours that must not run on, among what ends by
// seen, a complete list that was just read, shows.
func (g *Guard) Overruns(ctx context.Context, seen func(context.Context, Need) Exposure) (over []Overrun, err error) {
	realm, err := g.world.Realm(ctx)
	if err != nil || !g.journal.Exists() {
		return nil, err
	}
	var in InForce
	err = g.look(ctx, realm, func(tx *journal.Tx) (err error) {
		in, err = g.inForce(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	e := seen(ctx, Need{Charges: in.Policy.DailyBudget != nil})
	return over, g.look(ctx, realm, func(tx *journal.Tx) error {
		load, err := weigh(tx, e, Plan{})
		if err != nil {
			return err
		}
		open, err := tx.Counting()
		for _, rented := range open {
			if r, ok := e.running(rented); ok {
				if why := in.Policy.overrun(rented, r, load); why != "" {
					over = append(over, Overrun{Instance: r.Instance, Nonce: rented.Nonce, Why: why})
				}
			}
		}
		return err
	})
}

// running finds what an intent rented or started, if it runs.
func (e Exposure) running(in journal.Intent) (Rental, bool) {
	i := slices.IndexFunc(e.Rentals, func(r Rental) bool { return r.Running && r.Instance == in.Instance })
	if i < 0 || !Rents(in) || in.State != journal.Rented {
		return Rental{}, false
	}
	return e.Rentals[i], true
}

// overrun says why the rental must not run on; it is empty when it may.
func (p Policy) overrun(in journal.Intent, r Rental, l Load) string {
	dearer := r.Rate > in.Rate.Add(RateSlack(in.Rate))
	switch cost := r.sofar(in, l.Now); {
	case dearer && p.MaxPerHour != nil && r.Rate > *p.MaxPerHour:
		return fmt.Sprintf("it costs %s/h by now, %s/h was approved and %s/h is allowed for one instance", r.Rate, in.Rate, *p.MaxPerHour)
	case dearer && p.MaxTotalPerHour != nil && l.Rate > *p.MaxTotalPerHour:
		return fmt.Sprintf("it costs %s/h by now, %s/h was approved, and all that runs costs %s/h of the %s/h allowed", r.Rate, in.Rate, l.Rate, *p.MaxTotalPerHour)
	case p.MaxPerRental != nil && cost > *p.MaxPerRental:
		return fmt.Sprintf("it has cost %s, %s of that for traffic, and %s is allowed for one rental", cost, r.Traffic, *p.MaxPerRental)
	case p.DailyBudget != nil && l.Spent > *p.DailyBudget:
		return fmt.Sprintf("rentals have cost %s today, and %s a day is allowed", l.Spent, *p.DailyBudget)
	}
	return ""
}

// sofar is what the rental has cost under its lease. Traffic is counted since
// the machine was rented, so that a later lease does not answer for it.
func (r Rental) sofar(in journal.Intent, now time.Time) usd.Amount {
	cost := r.Rate.For(now.Sub(in.Began))
	if in.Kind == KindCreate {
		cost = cost.Add(r.Traffic)
	}
	return cost
}

// RateSlack is how much more than was quoted a machine may cost before that is
// said: prices are floats on the way.
func RateSlack(quoted usd.Amount) usd.Amount { return 1 + quoted/1000 }
