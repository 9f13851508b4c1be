package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"vast-mcp/internal/faultpoint"
	"vast-mcp/journal"
)

// Grant is leave to do one thing once. Only the guard makes one; the state of
// its intent decides what is still to be done, so that carrying on after a
// lost answer and carrying out are the same call.
type Grant struct {
	journal *journal.Journal
	realm   string
	plan    Plan
	intent  journal.Intent
	nonce   string // of the intent: work that outlives its call moves the intent itself
	resumed bool
	atWork  *atWork
}

// ErrOver says that what was granted has ended since: a new call is a new plan.
var ErrOver = errors.New("what was granted is over")

// Plan is what was granted.
func (g *Grant) Plan() Plan { return g.plan }

// Intent is the intent as it was last read or moved.
func (g *Grant) Intent() journal.Intent { return g.intent }

// Nonce names the intent. Unlike Intent it may be read while the work goes on.
func (g *Grant) Nonce() string { return g.nonce }

// Resumed reports whether an earlier call was given this grant first.
func (g *Grant) Resumed() bool { return g.resumed }

// Finished reports whether the act that was granted is done.
func (g *Grant) Finished() bool { return g.intent.State == journal.Done }

// Move is one arrow of the intent's state machine: a compare-and-swap that is
// on disk when it returns. It fails with journal.ErrMoved when the intent was
// not in one of the states from; the loser changes nothing, and Intent then
// tells how far another call has carried it. It ignores the cancellation of
// ctx: what was sent must be written down.
func (g *Grant) Move(ctx context.Context, to journal.IntentState, change func(*journal.Intent), from ...journal.IntentState) error {
	return g.move(ctx, to, change, nil, from...)
}

// GiveBack moves the intent to refused and returns the quote to approved: it is
// certain that nothing was done, and the yes still stands.
func (g *Grant) GiveBack(ctx context.Context, why string, from ...journal.IntentState) error {
	return g.move(ctx, journal.Refused, func(in *journal.Intent) { in.Why = why }, func(tx *journal.Tx, _ journal.Intent) error {
		_, err := tx.SwapQuote(g.intent.Quote, func(q *journal.Quote) { q.State = journal.Approved }, journal.Redeemed)
		return err
	}, from...)
}

// Rented moves the intent to rented as that instance, together with its lease.
// It fails as Move does.
func (g *Grant) Rented(ctx context.Context, instance int64, from ...journal.IntentState) error {
	rent := func(in *journal.Intent) { in.Instance, in.Why = instance, "" }
	return g.move(ctx, journal.Rented, rent, func(tx *journal.Tx, in journal.Intent) error {
		return tx.PutLease(in.Lease(tx.Now()))
	}, from...)
}

// Extended moves an extension to sent, right before its label is written, and
// records what the lease may say from then on: the journal must know of a
// deadline before anybody can read it. It fails as Move does.
func (g *Grant) Extended(ctx context.Context, l journal.Lease) error {
	return g.move(ctx, journal.Sent, nil, func(tx *journal.Tx, _ journal.Intent) error {
		old, _, err := tx.Lease(l.Nonce)
		l.Until, l.IdleMinutes, l.GrantedAt = later(l.Until, old.Until), old.IdleMinutes, tx.Now()
		return cmp.Or(err, tx.PutLease(l))
	}, journal.Prepared, journal.Sent)
}

func (g *Grant) move(ctx context.Context, to journal.IntentState, change func(*journal.Intent), also func(*journal.Tx, journal.Intent) error, from ...journal.IntentState) error {
	if g.journal == nil {
		g.intent.State = to
		return nil
	}
	var seen journal.Intent
	var lost error
	err := g.journal.Tx(context.WithoutCancel(ctx), g.realm, func(tx *journal.Tx) error {
		seen, lost = tx.SwapIntent(g.intent.Nonce, func(in *journal.Intent) {
			in.State = to
			if change != nil {
				change(in)
			}
		}, from...)
		if lost != nil {
			return lost
		}
		if also != nil {
			if err := also(tx, seen); err != nil {
				return err
			}
		}
		return tx.Append(string(to), seen.Nonce, map[string]any{"kind": seen.Kind, "instance": seen.Instance, "why": seen.Why})
	})
	if err == nil || errors.Is(lost, journal.ErrMoved) && seen.Nonce != "" {
		g.intent = seen
	}
	return err
}

// Reread reads the intent again: another process may have moved it.
func (g *Grant) Reread(ctx context.Context) error {
	if g.journal == nil {
		return nil
	}
	return g.journal.Tx(ctx, g.realm, func(tx *journal.Tx) error {
		in, found, err := tx.Intent(g.intent.Nonce)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("intent %s is not in the journal", g.intent.Nonce)
		}
		g.intent = in
		return nil
	})
}

// Redeem turns an approved quote into a grant. The caps are judged again, the
// quote is marked used and the intent is written, all in one transaction: a
// quote gives one intent, whoever redeems it and however often. Whoever comes
// second is given the first one's grant, to carry on with.
//
// p is the plan made just now; q must cover it.
func (g *Guard) Redeem(ctx context.Context, c Call, q Quote, p Plan) (*Grant, error) {
	if !q.Ready {
		return nil, ErrNotWaiting
	}
	p = p.asQuoted(q.Plan)
	in := journal.Intent{
		Nonce: p.Nonce, Quote: q.ID, Caller: c.Caller, Worker: g.worker, Tool: c.Tool, Kind: p.Kind, State: journal.Prepared,
		Offer: p.Offer, Machine: p.Machine, Instance: p.Instance, Rental: p.Rental, Rate: p.Rate, DiskRate: p.DiskRate, Label: p.Label, Until: p.Until, OnExpiry: p.OnExpiry, IdleMinutes: p.IdleMinutes,
	}
	if !p.Until.IsZero() {
		in.Began = p.Until.Add(-p.Lease)
	}
	if q.Unwritten {
		return g.redeemUnwritten(q, &Grant{realm: q.realm, plan: p, intent: in, nonce: in.Nonce, atWork: &g.atWork})
	}
	exposure := q.exposure
	if g.now().Sub(exposure.At) > freshFor {
		var err error
		if exposure, err = g.exposure(ctx, q.realm, p); err != nil {
			return nil, err
		}
	}
	grant := &Grant{journal: g.journal, realm: q.realm, plan: p, intent: in, nonce: in.Nonce, atWork: &g.atWork}
	err := g.journal.Tx(ctx, q.realm, func(tx *journal.Tx) error {
		row, found, err := tx.Quote(q.ID)
		switch {
		case err != nil || !found:
			return cmp.Or(err, ErrNotWaiting)
		case row.State == journal.Redeemed:
			return grant.join(tx, row)
		}
		if grant.plan, err = own(tx, c, p); err != nil {
			return err
		}
		if err := g.redeem(tx, c, row, grant.plan, exposure); err != nil {
			return err
		}
		return tx.PutIntent(in)
	})
	if err != nil {
		return nil, err
	}
	faultpoint.Hit(faultpoint.Redeemed)
	g.atWork.add(grant.nonce)
	return grant, nil
}

// join makes the grant the one that the quote was redeemed for.
func (g *Grant) join(tx *journal.Tx, row journal.Quote) error {
	in, found, err := tx.IntentOf(row.ID)
	if err != nil || !found {
		return cmp.Or(err, ErrNotWaiting)
	}
	g.plan, g.intent, g.nonce, g.resumed = rowPlan(row), in, in.Nonce, true
	return nil
}

func (g *Guard) redeem(tx *journal.Tx, c Call, row journal.Quote, p Plan, e Exposure) error {
	from := []journal.QuoteState{journal.Approved}
	if p.Free {
		from = append(from, journal.Open)
	}
	in, err := g.inForce(tx)
	if err != nil {
		return err
	}
	if !row.Live(tx.Now()) || row.Mode != rule(in.Mode, in.Sealed) || !rowPlan(row).covers(p) {
		return ErrNotWaiting
	}
	if _, _, stands, err := g.standing(tx, c, row.Digest); err != nil || stands {
		return errors.Join(err, ErrNotWaiting)
	}
	if _, err := g.judge(tx, p, e); err != nil {
		return err
	}
	_, err = tx.SwapQuote(row.ID, func(row *journal.Quote) {
		row.State, row.ClosedAt = journal.Redeemed, tx.Now()
	}, from...)
	if err != nil {
		return err
	}
	return tx.Append("redeemed", row.ID, map[string]any{"nonce": p.Nonce, "rate": p.Rate, "free": p.Free})
}

// Resume returns the grant that the same call was given before, if its intent
// still stands or is not settled: a call that is made again must find its own
// machine, never order a second one. It returns nil when there is none.
func (g *Guard) Resume(ctx context.Context, c Call) (*Grant, error) {
	realm, err := g.world.Realm(ctx)
	if err != nil {
		return nil, err
	}
	sum, err := g.digest(c)
	if err != nil {
		return nil, err
	}
	var grant *Grant
	err = g.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		plan, in, stands, err := g.standing(tx, c, sum)
		if stands {
			grant = &Grant{journal: g.journal, realm: realm, plan: plan, intent: in, nonce: in.Nonce, resumed: true, atWork: &g.atWork}
			g.atWork.add(in.Nonce)
		}
		return err
	})
	return grant, err
}

// standing finds what a call was granted last, if that still holds. A quote
// that was made since, by an identical call that came too late, does not hide it.
func (g *Guard) standing(tx *journal.Tx, c Call, sum string) (plan Plan, in journal.Intent, stands bool, err error) {
	row, found, err := tx.LastRedeemed(c.Caller, c.Tool, sum)
	if err != nil || !found {
		return plan, in, false, err
	}
	plan = rowPlan(row)
	in, found, err = tx.IntentOf(row.ID)
	switch {
	case err != nil || !found:
		return plan, in, false, err
	case in.State == journal.Done:
		return plan, in, plan.Lasting || g.meanwhile(c, in.UpdatedAt), nil
	case in.Kind != KindCreate && in.State != journal.Rented:
		// What was not finished may be carried on with for as long as the yes
		// is good; an order must be found whenever it was made.
		return plan, in, in.State.Counts() && tx.Now().Before(row.ExpiresAt), nil
	}
	return plan, in, in.State.Counts(), nil
}

// meanwhile reports whether something was done while the call was under way. A
// journal whose time is ahead of the wall clock, which was set back, proves nothing.
func (g *Guard) meanwhile(c Call, at time.Time) bool {
	return !c.Began.IsZero() && at.After(c.Began) && !at.After(g.now())
}

// Begin moves an intent of kind act to sent, right before its request. Of
// several calls with the same grant one is first; the others may find that it
// is Finished. It fails with ErrOver when nothing is left to carry on with.
func (g *Grant) Begin(ctx context.Context) (first bool, err error) {
	err = g.Move(ctx, journal.Sent, nil, journal.Prepared)
	switch {
	case !errors.Is(err, journal.ErrMoved):
		return err == nil, err
	case g.intent.State.Counts(), g.Finished():
		return false, nil
	}
	return false, ErrOver
}

// Finish moves an intent of kind act to done: what was granted was carried out.
// That stays true whoever wrote it down, so that losing the swap is no failure.
func (g *Grant) Finish(ctx context.Context) error {
	err := g.Move(ctx, journal.Done, nil, journal.Prepared, journal.Sent)
	if errors.Is(err, journal.ErrMoved) {
		return nil
	}
	return err
}

// Failed gives the yes to an act back that came to nothing, and returns err
// with whatever went wrong in writing that down. The next call looks again
// before it repeats the act.
func (g *Grant) Failed(ctx context.Context, err error) error {
	lost := g.GiveBack(ctx, "failed: "+err.Error(), journal.Prepared, journal.Sent)
	if errors.Is(lost, journal.ErrMoved) {
		lost = nil // another call carried on
	}
	return errors.Join(err, lost)
}
