package rental

import (
	"context"
	"errors"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/faultpoint"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	goneLooks = 2 // that must agree before a machine counts as removed
	gonePause = 10 * time.Second
)

// undo takes the removals that are due one step further, and reports whether
// anything moved. What fails is tried again with the next list.
func (d *Desk) undo(ctx context.Context, realm string, counting []journal.Intent, p pass) (moved bool) {
	for _, in := range counting {
		if in.State != journal.Undoing || d.readOnly {
			continue
		}
		before := in
		left, started, err := p.remove(ctx, in)
		if err == nil {
			err = d.journal.Tx(context.WithoutCancel(ctx), realm, func(tx *journal.Tx) error {
				return p.undone(tx, before, left, started)
			})
		}
		if ignoreMoved(err) != nil {
			d.log.Warn("removing what an order made in vain", "nonce", in.Nonce, "err", err)
			continue
		}
		moved = true
	}
	return moved
}

// remove asks for the removal of each extra, or looks whether it is done, and
// returns those that are left. A start that took effect after all is not called
// off: then started is the machine.
func (p pass) remove(ctx context.Context, in journal.Intent) (left []journal.Extra, started vast.Instance, err error) {
	for _, e := range in.Extras {
		row, err := p.client.Instances.Get(ctx, vast.InstanceID(e.Instance))
		absent := errors.Is(err, vast.NotFound)
		switch {
		case absent && p.listed(e.Instance):
			left = append(left, e) // one of the two lags
			continue
		case err != nil && !absent:
			return nil, started, err
		case in.Kind == guard.KindStart && Running(row) && hasNonce(row, in.Nonce):
			return nil, row, nil
		case !absent && !hasNonce(row, in.Nonce):
			p.log.Warn("an instance is left alone: it carries another lease by now", "instance", e.Instance, "nonce", in.Nonce)
			continue
		}
		ended := absent || e.Stop && Stopped(row)
		switch {
		case !ended || e.Stop && !e.Asked && !absent:
			if err := p.askAway(ctx, e); err != nil {
				return nil, started, err
			}
			faultpoint.Hit(faultpoint.Undoing)
			e.Asked, e.Gone = true, 0
		case e.Gone == 0 || p.now.Since(e.LookedAt) >= gonePause:
			e.Gone, e.LookedAt = e.Gone+1, p.now
		}
		if e.Gone < goneLooks {
			left = append(left, e)
		}
	}
	return left, started, nil
}

// askAway asks for an end. Stopping what looks stopped takes it out of the queue
// for a start.
func (p pass) askAway(ctx context.Context, e journal.Extra) error {
	id := vast.InstanceID(e.Instance)
	if e.Stop {
		return p.client.Instances.Stop(ctx, id)
	}
	return ignoreNotFound(p.client.Instances.Destroy(ctx, id))
}

// undone writes down how far a removal is.
func (p pass) undone(tx *journal.Tx, in journal.Intent, left []journal.Extra, started vast.Instance) error {
	note := func(row *journal.Intent) { row.Extras = left }
	switch kept := in.Kind == guard.KindCreate && in.Instance != 0; {
	case started.ID != 0:
		return p.seen(tx, in, sight{kept: started})
	case len(left) > 0:
		_, err := tx.SwapIntent(in.Nonce, note, journal.Undoing)
		return err
	case kept:
		return p.move(tx, in, journal.Rented, note)
	}
	return p.move(tx, in, journal.Refused, func(in *journal.Intent) { in.Extras, in.Removed = left, true })
}
