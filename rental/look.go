package rental

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	lookTries = 4
	lookPause = 6 * time.Second // four tries in about 20 s
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
		case found.ID != 0 && !dearer(found, in.Rate):
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
		if res, decided, err := d.decided(ctx, g, list); decided || err != nil {
			return res, err
		}
	}
	return d.unknown(ctx, g)
}

// decided settles the intent of g by a complete list, and reports whether that
// answers its call.
func (d *Desk) decided(ctx context.Context, g *guard.Grant, list []vast.Instance) (res Result, decided bool, err error) {
	_, err = d.reconcile(ctx, list, g.Intent().Nonce)
	if err := errors.Join(err, g.Reread(ctx)); err != nil {
		return Result{}, false, err
	}
	in := g.Intent()
	switch in.State { //nolint:exhaustive // the others are not decided
	case journal.Rented, journal.Undoing:
		if in.Kind == guard.KindStart && in.State == journal.Undoing {
			return Result{}, false, nil
		}
		i := slices.IndexFunc(list, func(row vast.Instance) bool { return int64(row.ID) == in.Instance })
		if i < 0 {
			return Result{}, true, notRented(in)
		}
		return result(g, list[i]), true, nil
	case journal.Refused, journal.Closed, journal.Ended:
		return Result{}, true, notRented(in)
	}
	return Result{}, false, nil
}

func notRented(in journal.Intent) error {
	return &NotRented{Why: in.Why, Removing: removing(in)}
}

// result is the answer to a call whose machine was seen.
func result(g *guard.Grant, row vast.Instance) Result {
	res := Result{Instance: row, Known: true}
	if quoted := g.Plan().Rate; !g.Plan().Free && dearer(row, quoted) {
		res.Notes = append(res.Notes, fmt.Sprintf("it costs %s/h, and the quote said %s/h", usd.Ceil(row.PerHour), quoted))
	}
	for _, e := range g.Intent().Extras {
		res.Notes = append(res.Notes, fmt.Sprintf("the order also made instance %d, which is being removed", e.Instance))
	}
	return res
}

// waitForID waits for the instance that the API named to show up with our
// nonce. One that carries another tail is not ours, whatever the API said.
func (d *Desk) waitForID(ctx context.Context, in journal.Intent) (found vast.Instance, err error) {
	_, err = d.poll(ctx, seenPause, seenWithin, func() (bool, error) {
		row, err := d.client.Instances.Get(ctx, vast.InstanceID(in.Instance))
		if err != nil {
			return false, ignoreNotFound(err)
		}
		if _, tail, leased := ParseLabel(row.Label); leased && tail.Nonce == in.Nonce && madeBy(row, in) && !older(row, in) && !neverRan(row) {
			found = row
		}
		return found.ID != 0 || nonceOf(row) != in.Nonce, nil
	})
	return found, err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, vast.NotFound) {
		return nil
	}
	return err
}

// adopt records that the machine was seen, and its lease.
func (d *Desk) adopt(ctx context.Context, g *guard.Grant, row vast.Instance) (Result, error) {
	faultpoint.Hit(faultpoint.Seen)
	err := g.Rented(ctx, int64(row.ID), journal.Sent, journal.Answered, journal.Looking, journal.Unknown)
	if err != nil {
		return Result{}, err
	}
	faultpoint.Hit(faultpoint.Rented)
	return result(g, row), nil
}

func (d *Desk) unknown(ctx context.Context, g *guard.Grant) (Result, error) {
	if err := g.Reread(ctx); err != nil {
		return Result{}, err
	}
	if g.Intent().State == journal.Sent {
		if err := g.Move(ctx, journal.Unknown, nil, journal.Sent); err != nil {
			return Result{}, err
		}
	}
	return Result{Why: settling(known(g.Intent()), g.Intent())}, nil
}

// known says what is known of an order whose machine is not seen.
func known(in journal.Intent) string {
	switch {
	case in.State == journal.Answered:
		return fmt.Sprintf("the API took the order as instance %d, which is not seen yet", in.Instance)
	case in.Why != "":
		return plain.Line(in.Why, 200) + ", and no machine of it is seen"
	}
	return "its machine is not seen yet"
}

// lookAgain is the second look after a refusal, for a call that comes again: it
// is then certain that nothing was rented, and the call starts over.
func (d *Desk) lookAgain(ctx context.Context, g *guard.Grant) (Result, error) {
	// The API tells its time in whole seconds.
	if wait := secondLook + time.Second - d.clock.Now().Sub(g.Intent().LookedAt.Wall); wait > 0 {
		if err := d.clock.Sleep(ctx, min(wait, secondLook+time.Second)); err != nil {
			return Result{}, err
		}
	}
	list, err := d.client.Instances.All(ctx)
	if err != nil {
		return Result{}, err
	}
	res, decided, err := d.decided(ctx, g, list)
	switch {
	case g.Intent().State == journal.Refused:
		return Result{}, guard.ErrOver
	case !decided && err == nil:
		res.Why = settling("the order was refused, which is being made sure of", g.Intent())
	}
	return res, err
}

// still answers a call that was already carried out: the machine it rented, if
// that is still there, or that it started, if that still runs.
func (d *Desk) still(ctx context.Context, g *guard.Grant) (Result, error) {
	in := g.Intent()
	var rows []vast.Instance
	row, err := d.calm.Instances.Get(ctx, vast.InstanceID(in.Instance))
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
		err := g.Move(ctx, journal.Ended, end(why, d.apiNow()), journal.Rented)
		return Result{}, errors.Join(guard.ErrOver, err)
	}
	return result(g, row), nil
}
