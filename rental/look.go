package rental

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	lookTries = 3
	lookPause = 6 * time.Second // three tries in about 20 s
)

// look tries to find the machine of an intent whose answer is not certain:
// first by the id that the API gave, then by the nonce in the whole list.
func (d *Desk) look(ctx context.Context, g *guard.Grant) (Result, error) {
	in := g.Intent()
	if in.State == journal.Answered {
		found, err := d.waitForID(ctx, in)
		if err != nil || found.ID != 0 {
			return d.seen(ctx, g, found, err)
		}
	}
	for try := range lookTries {
		if try > 0 {
			if err := d.clock.Sleep(ctx, lookPause); err != nil {
				return Result{}, err
			}
		}
		list, err := d.client.Instances.All(ctx)
		if err != nil {
			d.log.Warn("looking for a rental", "nonce", in.Nonce, "err", err)
			continue
		}
		if found, ok := findNonce(list, in.Nonce); ok {
			return d.adopt(ctx, g, found)
		}
	}
	return d.presumed(ctx, g)
}

// presumed counts this look, and ends what has left no trace for long enough.
func (d *Desk) presumed(ctx context.Context, g *guard.Grant) (Result, error) {
	list, err := d.client.Instances.All(ctx)
	if err != nil {
		return d.unknown(ctx, g)
	}
	if err := errors.Join(d.reconcile(ctx, list), g.Reread(ctx)); err != nil {
		return Result{}, err
	}
	if !g.Intent().State.Counts() {
		return Result{}, guard.ErrOver
	}
	return d.unknown(ctx, g)
}

// waitForID waits for the instance that the API named to show up with our
// nonce. One that carries another tail is not ours, whatever the API said.
func (d *Desk) waitForID(ctx context.Context, in journal.Intent) (found vast.Instance, err error) {
	_, err = d.poll(ctx, seenPause, seenWithin, func() (bool, error) {
		row, err := d.client.Instances.Get(ctx, vast.InstanceID(in.Instance))
		if err != nil {
			return false, ignoreNotFound(err)
		}
		if hasNonce(row, in.Nonce) {
			found = row
		}
		return found.ID != 0, nil
	})
	return found, err
}

// seen takes the result of waiting for an id: an error there only means that
// the list has to decide.
func (d *Desk) seen(ctx context.Context, g *guard.Grant, found vast.Instance, err error) (Result, error) {
	if err == nil {
		return d.adopt(ctx, g, found)
	}
	d.log.Warn("looking at a fresh rental", "nonce", g.Intent().Nonce, "err", err)
	return d.unknown(ctx, g)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, vast.NotFound) {
		return nil
	}
	return err
}

// hasNonce reports whether the row is the rental with that nonce: by its label,
// or by its environment if somebody edited the label.
func hasNonce(row vast.Instance, nonce string) bool {
	_, tail, ok := ParseLabel(row.Label)
	return ok && tail.Nonce == nonce || !ok && slices.Contains(row.Env, [2]string{nonceEnv, nonce})
}

// findNonce picks the running row with that nonce that has the lowest id.
func findNonce(list []vast.Instance, nonce string) (vast.Instance, bool) {
	rows := slices.DeleteFunc(slices.Clone(list), func(row vast.Instance) bool { return !hasNonce(row, nonce) || !Running(row) })
	if len(rows) == 0 {
		return vast.Instance{}, false
	}
	return slices.MinFunc(rows, func(a, b vast.Instance) int { return int(a.ID - b.ID) }), true
}

// adopt records that the machine was seen, and its lease.
func (d *Desk) adopt(ctx context.Context, g *guard.Grant, row vast.Instance) (Result, error) {
	err := g.Move(ctx, journal.Rented, func(in *journal.Intent) { in.Instance, in.Why = int64(row.ID), "" },
		journal.Sent, journal.Answered, journal.Looking, journal.Unknown, journal.Rented)
	if err != nil {
		return Result{}, err
	}
	in := g.Intent()
	return Result{Instance: row, Known: true}, g.Lease(ctx, leaseOf(in, in.Instance, d.clock.Now()))
}

func (d *Desk) unknown(ctx context.Context, g *guard.Grant) (Result, error) {
	err := g.Move(ctx, journal.Unknown, nil,
		journal.Sent, journal.Answered, journal.Looking, journal.Unknown)
	if errors.Is(err, journal.ErrMoved) {
		err = nil // somebody else settled it
	}
	in := g.Intent()
	return Result{Why: fmt.Sprintf("the answer was lost and the machine is not listed yet; its nonce is %s and it would cost %s/h", in.Nonce, in.Rate)}, err
}

// lookAgain is the second look after a refusal, for a call that comes again: it
// is then certain that nothing was rented, and the call starts over.
func (d *Desk) lookAgain(ctx context.Context, g *guard.Grant) (Result, error) {
	if wait := secondLook - d.clock.Now().Sub(g.Intent().LookedAt); wait > 0 {
		if err := d.clock.Sleep(ctx, wait); err != nil {
			return Result{}, err
		}
	}
	list, err := d.client.Instances.All(ctx)
	if err != nil {
		return Result{}, err
	}
	if found, ok := findNonce(list, g.Intent().Nonce); ok {
		return d.adopt(ctx, g, found)
	}
	if err := d.reconcile(ctx, list); err != nil {
		return Result{}, err
	}
	return Result{}, guard.ErrOver
}

// still answers a call that was already carried out: the machine it rented, if
// that is still there.
func (d *Desk) still(ctx context.Context, g *guard.Grant) (Result, error) {
	row, err := d.client.Instances.Get(ctx, vast.InstanceID(g.Intent().Instance))
	switch {
	case errors.Is(err, vast.NotFound), err == nil && !stillIs(row, g.Intent()):
		err := g.Move(ctx, journal.Ended, func(in *journal.Intent) { in.Why = "it is gone" }, journal.Rented)
		return Result{}, errors.Join(guard.ErrOver, err)
	case err != nil:
		return Result{}, err
	}
	return Result{Instance: row, Known: true}, nil
}

const (
	secondLook = 20 * time.Second // after a refusal, before its money is given back
	closeAfter = 15 * time.Minute // after the deadline of an order that left no trace
	closeLooks = 3
)

// reconcile moves every open intent that a complete list decides. Any process
// of the realm may do it; whoever loses a swap leaves it.
func (d *Desk) reconcile(ctx context.Context, list []vast.Instance) error {
	realm, err := d.Realm(ctx)
	if err != nil {
		return err
	}
	return d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		open, err := tx.Counting()
		if err != nil {
			return err
		}
		for _, in := range open {
			if err := d.settle(tx, in, list); err != nil && !errors.Is(err, journal.ErrMoved) {
				return err
			}
		}
		return nil
	})
}

// settle is one intent against one complete list.
func (d *Desk) settle(tx *journal.Tx, in journal.Intent, list []vast.Instance) error {
	now := d.clock.Now()
	move := func(to journal.IntentState, change func(*journal.Intent)) error {
		if _, err := tx.SwapIntent(in.Nonce, func(row *journal.Intent) { row.State = to; change(row) }, in.State); err != nil {
			return err
		}
		return tx.Append(string(to), in.Nonce, map[string]any{"kind": in.Kind, "by": "list"})
	}
	row, listed := findNonce(list, in.Nonce)
	switch in.State { //nolint:exhaustive // the others are settled, or are undone by who began it
	case journal.Prepared:
		if now.Sub(in.CreatedAt) > time.Minute {
			return move(journal.Refused, func(row *journal.Intent) { row.Why = "never sent" })
		}
	case journal.Rented:
		if !slices.ContainsFunc(list, func(row vast.Instance) bool { return stillIs(row, in) }) && now.Sub(in.UpdatedAt) > time.Minute {
			return move(journal.Ended, func(row *journal.Intent) { row.Why = "it is gone" })
		}
	case journal.Looking:
		switch {
		case listed:
			return d.settleFound(tx, in, row, move)
		case now.Sub(in.LookedAt) >= secondLook:
			return errors.Join(move(journal.Refused, func(*journal.Intent) {}), giveBack(tx, in))
		}
	case journal.Sent, journal.Answered, journal.Unknown:
		switch {
		case in.Kind == guard.KindAct || now.Before(in.Deadline):
		case listed:
			return d.settleFound(tx, in, row, move)
		case in.Kind == guard.KindStart:
			// A start leaves no trace but a running machine.
			return move(journal.Refused, func(row *journal.Intent) { row.Why = "it is not seen running" })
		case in.Looks+1 >= closeLooks && now.Sub(in.Deadline) >= closeAfter:
			return move(journal.Closed, func(in *journal.Intent) { in.Why = "no sign of it, presumed not rented" })
		default:
			_, err := tx.SwapIntent(in.Nonce, func(row *journal.Intent) {
				row.State, row.Looks, row.LookedAt = journal.Unknown, row.Looks+1, now
			}, in.State)
			return err
		}
	}
	return nil
}

// settleFound adopts the machine that the list shows.
func (d *Desk) settleFound(tx *journal.Tx, in journal.Intent, row vast.Instance, move func(journal.IntentState, func(*journal.Intent)) error) error {
	if err := tx.PutLease(leaseOf(in, int64(row.ID), tx.Now())); err != nil {
		return err
	}
	return move(journal.Rented, func(in *journal.Intent) { in.Instance = int64(row.ID) })
}

// stillIs reports whether the row is the rental of the intent: it carries its
// nonce, or somebody tidied the label away. Another tail is another rental.
func stillIs(row vast.Instance, in journal.Intent) bool {
	_, tail, ok := ParseLabel(row.Label)
	return hasNonce(row, in.Nonce) || int64(row.ID) == in.Instance && (!ok || tail.Nonce == in.Nonce)
}

// giveBack lets the quote of an order that the API refused to take be used again.
func giveBack(tx *journal.Tx, in journal.Intent) error {
	if !in.Reusable {
		return nil
	}
	_, err := tx.SwapQuote(in.Quote, func(q *journal.Quote) { q.State = journal.Approved }, journal.Redeemed)
	return err
}

// leaseOf is the deadline that an intent was granted.
func leaseOf(in journal.Intent, id int64, at time.Time) journal.Lease {
	return journal.Lease{Nonce: in.Nonce, Instance: id, Until: in.Until, OnExpiry: in.OnExpiry, GrantedAt: at}
}
