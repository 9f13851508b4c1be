package rental

import (
	"context"
	"errors"
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
		switch {
		case err != nil:
			d.log.Warn("looking at a fresh rental", "nonce", in.Nonce, "err", err)
		case found.ID != 0:
			return d.adopt(ctx, g, found)
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
	err := g.Rented(ctx, int64(row.ID), journal.Sent, journal.Answered, journal.Looking, journal.Unknown)
	return Result{Instance: row, Known: err == nil}, err
}

func (d *Desk) unknown(ctx context.Context, g *guard.Grant) (Result, error) {
	err := g.Move(ctx, journal.Unknown, nil,
		journal.Sent, journal.Answered, journal.Looking, journal.Unknown)
	return Result{Why: settling("the answer was lost and the machine is not listed yet", g.Intent())}, err
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
// that is still there, or that it started, if that still runs.
func (d *Desk) still(ctx context.Context, g *guard.Grant) (Result, error) {
	in := g.Intent()
	var rows []vast.Instance
	row, err := d.client.Instances.Get(ctx, vast.InstanceID(in.Instance))
	if err == nil {
		rows = append(rows, row)
	} else if !errors.Is(err, vast.NotFound) {
		return Result{}, err
	}
	why := missing(in, rows)
	if why == "" && in.Kind == guard.KindStart && !Running(row) {
		why = "it was stopped"
	}
	if why != "" {
		err := g.Move(ctx, journal.Ended, func(in *journal.Intent) { in.Why = why }, journal.Rented)
		return Result{}, errors.Join(guard.ErrOver, err)
	}
	return Result{Instance: row, Known: true}, nil
}

// missing says why the rental of an intent is not among rows any more; it is
// empty when it is. A start writes a lease of its own, so that the machine goes
// on as what that call started.
func missing(in journal.Intent, rows []vast.Instance) string {
	why := "it is gone"
	for _, row := range rows {
		switch {
		case stillIs(row, in):
			return ""
		case int64(row.ID) == in.Instance:
			why = "it was started again under a new lease"
		}
	}
	return why
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
	switch in.State { //nolint:exhaustive // the others are settled, or are undone by who began it
	case journal.Prepared:
		if now.Sub(in.CreatedAt) > time.Minute {
			return settled(tx, in, journal.Refused, "never sent")
		}
	case journal.Rented:
		if why := missing(in, list); why != "" && now.Sub(in.UpdatedAt) > time.Minute {
			return settled(tx, in, journal.Ended, why)
		}
	case journal.Looking, journal.Sent, journal.Answered, journal.Unknown:
		row, listed := findNonce(list, in.Nonce)
		switch {
		case in.Kind == guard.KindAct, in.State != journal.Looking && now.Before(in.Deadline):
		case listed:
			in.Instance = int64(row.ID)
			if err := tx.PutLease(in.Lease(tx.Now())); err != nil {
				return err
			}
			return settled(tx, in, journal.Rented, "")
		default:
			return notListed(tx, in, now)
		}
	}
	return nil
}

// notListed takes account of a complete list that lacks what was ordered. An
// answer that was lost needs several, and a start leaves no trace there but a
// machine that runs, which one in the queue may do later.
func notListed(tx *journal.Tx, in journal.Intent, now time.Time) error {
	again := now.Sub(in.LookedAt) >= secondLook
	switch {
	case in.State == journal.Looking && again:
		return errors.Join(settled(tx, in, journal.Refused, in.Why), giveBack(tx, in))
	case in.State == journal.Looking, in.Kind == guard.KindStart && in.Looks > 0 && !again:
		return nil
	case in.Kind == guard.KindStart && in.Looks > 0:
		return settled(tx, in, journal.Refused, "it is not seen running")
	case in.Kind == guard.KindCreate && in.Looks+1 >= closeLooks && now.Sub(in.Deadline) >= closeAfter:
		return settled(tx, in, journal.Closed, "no sign of it, presumed not rented")
	}
	_, err := tx.SwapIntent(in.Nonce, func(row *journal.Intent) {
		row.State, row.Looks, row.LookedAt = journal.Unknown, row.Looks+1, now
	}, in.State)
	return err
}

// settled moves an intent to where a list showed that it stands.
func settled(tx *journal.Tx, in journal.Intent, to journal.IntentState, why string) error {
	_, err := tx.SwapIntent(in.Nonce, func(row *journal.Intent) {
		row.State, row.Instance, row.Why = to, in.Instance, why
	}, in.State)
	if err != nil {
		return err
	}
	return tx.Append(string(to), in.Nonce, map[string]any{"kind": in.Kind, "instance": in.Instance, "why": why, "by": "list"})
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
