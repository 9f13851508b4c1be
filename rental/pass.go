package rental

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	secondLook = 20 * time.Second // after a refusal, before its money is given back
	closeAfter = 15 * time.Minute // after the last moment of an order that left no trace
	closeLooks = 3
	unsentFor  = time.Minute // what was prepared and not sent by then never is
	listLag    = time.Minute // how long a machine that was seen may be missing from a list
)

// reconcile moves every intent that a complete list decides, removes what has
// to go, and returns what counts afterwards. Whoever loses a swap leaves it.
// An order that is on its way is left to whoever sent it, which is the caller
// for the intent named mine.
func (d *Desk) reconcile(ctx context.Context, list []vast.Instance, mine string) ([]journal.Intent, error) {
	realm, err := d.Realm(ctx)
	if err != nil {
		return nil, err
	}
	p := pass{Desk: d, list: list, now: d.moment(), mine: mine}
	var counting []journal.Intent
	read := func(tx *journal.Tx) (err error) {
		counting, err = tx.Counting()
		return err
	}
	if err := d.journal.Tx(ctx, realm, read); err != nil {
		return nil, err
	}
	if p.gone, err = d.confirmGone(ctx, counting, p); err != nil {
		return nil, err
	}
	d.carryOn(ctx, realm, counting, p)
	p.list = d.relabelled(ctx, counting, p)
	err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		if err := p.run(tx, counting); err != nil {
			return err
		}
		return read(tx)
	})
	if err != nil {
		return nil, err
	}
	if undone := d.undo(ctx, realm, counting, p); undone {
		err = d.journal.Tx(ctx, realm, read)
	}
	return counting, err
}

// pass is one look at everything that is open.
type pass struct {
	*Desk

	list []vast.Instance
	now  journal.Moment
	gone map[int64]bool // instances that are missing from the list and from their own page
	mine string
}

// confirmGone asks for each rental that the list lacks: absence is believed
// only when its own page says the same.
func (d *Desk) confirmGone(ctx context.Context, counting []journal.Intent, p pass) (map[int64]bool, error) {
	gone := map[int64]bool{}
	for _, in := range counting {
		if in.State != journal.Rented || missing(in, p.list) == "" || p.listed(in.Instance) {
			continue
		}
		_, err := d.client.Instances.Get(ctx, vast.InstanceID(in.Instance))
		if err != nil && !errors.Is(err, vast.NotFound) {
			return nil, err
		}
		gone[in.Instance] = err != nil
	}
	return gone, nil
}

func (p pass) listed(id int64) bool {
	return slices.ContainsFunc(p.list, func(row vast.Instance) bool { return int64(row.ID) == id })
}

// relabelled is the list after the machines of open orders that carry no lease,
// though their environment or the API's answer says whose they are, were given
// theirs. Without it nobody would end them.
func (d *Desk) relabelled(ctx context.Context, counting []journal.Intent, p pass) []vast.Instance {
	list := slices.Clone(p.list)
	for _, in := range counting {
		if d.readOnly || in.Kind != guard.KindCreate || !p.settles(in) {
			continue
		}
		for i, row := range list {
			if _, _, leased := ParseLabel(row.Label); leased || !p.bare(row, in) {
				continue
			}
			if err := d.writeLease(ctx, row.ID, in.Label, tailOf(in)); err != nil {
				d.log.Warn("giving a rental its lease", "instance", row.ID, "err", err)
				continue
			}
			list[i].Label = FormatLabel(textOf(row.Label, in.Label), tailOf(in), maxForeignLabel)
		}
	}
	return list
}

// settles reports whether the intent is open and not somebody else's to look for.
func (p pass) settles(in journal.Intent) bool {
	open := in.State == journal.Sent || in.State == journal.Answered || in.State == journal.Looking || in.State == journal.Unknown
	return open && (in.Nonce == p.mine || !p.busy(in))
}

// bare reports whether the row, which carries no lease, is the machine of in.
func (p pass) bare(row vast.Instance, in journal.Intent) bool {
	named := in.State == journal.Answered && int64(row.ID) == in.Instance && nonceOf(row) == ""
	return (hasNonce(row, in.Nonce) || named) && madeBy(row, in) && !older(row, in)
}

// tailOf is the lease that the intent was granted, as a label carries it.
func tailOf(in journal.Intent) Tail {
	return Tail{Nonce: in.Nonce, Until: in.Until, OnExpiry: in.OnExpiry, IdleMinutes: in.IdleMinutes}
}

// run judges what was open, and what was given up and turns up after all.
func (p pass) run(tx *journal.Tx, open []journal.Intent) error {
	known, held := map[string]bool{}, map[int64]bool{}
	for _, in := range open {
		known[in.Nonce] = true
		held[in.Instance] = held[in.Instance] || guard.Rents(in)
		if err := ignoreMoved(p.settle(tx, in)); err != nil {
			return err
		}
	}
	strange := map[string]bool{}
	for _, row := range p.list {
		if nonce := nonceOf(row); nonce != "" && !known[nonce] {
			strange[nonce] = true
		}
	}
	for _, nonce := range slices.Sorted(maps.Keys(strange)) {
		in, found, err := tx.Intent(nonce)
		if err == nil && found {
			err = ignoreMoved(p.reopen(tx, in, held))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ignoreMoved(err error) error {
	if errors.Is(err, journal.ErrMoved) {
		return nil
	}
	return err
}

// settle is one intent against the list.
func (p pass) settle(tx *journal.Tx, in journal.Intent) error {
	switch in.State { //nolint:exhaustive // the others are settled, or are undone
	case journal.Prepared:
		// By the journal's clock alone: a loser of the swap sends nothing, so
		// that calling it too early does no harm.
		if age := p.now.Wall.Sub(in.CreatedAt); age.Abs() > unsentFor {
			return p.move(tx, in, journal.Refused, func(in *journal.Intent) { in.Why = "never sent" })
		}
	case journal.Rented:
		return p.stillThere(tx, in)
	case journal.Looking, journal.Sent, journal.Answered, journal.Unknown:
		if !guard.Rents(in) || !p.settles(in) {
			return nil
		}
		if s := sightOf(in, p.list, p.now.API); s.kept.ID != 0 || len(s.extras) > 0 {
			return p.seen(tx, in, s)
		}
		return p.notListed(tx, in)
	}
	return nil
}

// busy reports whether a call may be at work on the intent: its order may be
// on its way, or was answered a moment ago.
func (p pass) busy(in journal.Intent) bool {
	return in.State != journal.Looking && in.State != journal.Unknown && p.now.Since(in.SentAt) < in.Within
}

// stillThere notes what a rental costs, and ends it when it is gone.
func (p pass) stillThere(tx *journal.Tx, in journal.Intent) error {
	if s := sightOf(in, p.list, p.now.API); int64(s.kept.ID) == in.Instance && len(s.extras) > 0 {
		return p.seen(tx, in, s)
	}
	why := missing(in, p.list)
	if why == "" || why == gone && !p.gone[in.Instance] || p.now.Wall.Sub(in.UpdatedAt).Abs() <= listLag {
		return p.note(tx, in)
	}
	return p.move(tx, in, journal.Ended, end(why, p.now.API))
}

// end ends a rental, and what it costs.
func end(why string, now time.Time) func(*journal.Intent) {
	return func(in *journal.Intent) { in.State, in.Why, in.Cost = journal.Ended, why, accrued(*in, now, 0) }
}

// seen moves an intent whose machines are listed.
func (p pass) seen(tx *journal.Tx, in journal.Intent, s sight) error {
	limits, err := guard.LimitsIn(tx, p.policy)
	if err != nil {
		return err
	}
	var dear vast.Instance
	if why := tooDear(s.kept, in.Rate, p.list, limits); why != "" && in.Kind == guard.KindCreate {
		s.extras = append([]journal.Extra{extra(s.kept, p.now.API)}, s.extras...)
		dear, s.kept, s.why = s.kept, vast.Instance{}, why
	}
	to := journal.Rented
	if len(s.extras) > 0 {
		to = journal.Undoing
	}
	in.Instance = int64(s.kept.ID)
	if s.kept.ID != 0 {
		if err := tx.PutLease(in.Lease(tx.Now())); err != nil {
			return err
		}
	}
	return p.move(tx, in, to, func(row *journal.Intent) {
		row.Instance, row.Extras, row.Why = in.Instance, s.extras, ""
		row.Abandoned = row.Abandoned || in.Nonce != p.mine && in.State != journal.Rented // its caller did not see it
		if dear.ID != 0 {
			row.Rate = max(row.Rate, usd.Ceil(dear.PerHour))
		}
		if to == journal.Undoing {
			row.Why = s.why
		}
	})
}

// notListed takes account of a complete list that lacks what was ordered. A
// refusal needs two, twenty seconds apart; an answer that was lost needs
// several. A start leaves no trace but a machine that runs, which one in the
// queue may do later: it is called off, see undo.
func (p pass) notListed(tx *journal.Tx, in journal.Intent) error {
	again := in.Looks > 0 && p.now.Since(in.LookedAt) >= secondLook
	switch {
	case in.State == journal.Looking && again:
		return errors.Join(p.move(tx, in, journal.Refused, nil), giveBack(tx, in))
	case in.State == journal.Looking && in.Looks > 0:
		return nil
	case in.Kind == guard.KindStart:
		return p.move(tx, in, journal.Undoing, func(in *journal.Intent) {
			in.Why, in.Extras = "it is not seen running", []journal.Extra{{Instance: in.Instance, Stop: true}}
		})
	case in.Kind == guard.KindCreate && in.Looks+1 >= closeLooks && p.now.Since(in.SentAt)-in.Within >= closeAfter:
		return p.move(tx, in, journal.Closed, func(in *journal.Intent) { in.Why = "no sign of it, presumed not rented" })
	}
	_, err := tx.SwapIntent(in.Nonce, func(row *journal.Intent) {
		if row.State == journal.Sent || p.listed(in.Instance) {
			row.State = journal.Unknown // and the id that the API gave is somebody else's
		}
		row.Looks, row.LookedAt = row.Looks+1, p.now
	}, in.State)
	return err
}

// reopen takes up an intent that was given up and whose machine is listed, unless
// it goes on as what another intent holds.
func (p pass) reopen(tx *journal.Tx, in journal.Intent, held map[int64]bool) error {
	given := !in.Released && (in.State == journal.Refused || in.State == journal.Closed || in.State == journal.Ended)
	// What was removed a moment ago may still be listed.
	lags := p.now.Wall.Sub(in.UpdatedAt).Abs() <= listLag
	if !given || !guard.Rents(in) || in.Removed && lags {
		return nil
	}
	rows := p.list
	if in.State == journal.Ended && lags {
		rows = slices.DeleteFunc(slices.Clone(rows), func(row vast.Instance) bool { return int64(row.ID) == in.Instance })
	}
	s := sightOf(in, rows, p.now.API)
	if s.kept.ID == 0 && len(s.extras) == 0 || held[int64(s.kept.ID)] {
		return nil
	}
	p.log.Error("an order that was given up turned up", "nonce", in.Nonce, "instance", s.kept.ID, "was", in.State)
	in.Late, in.Told = true, ""
	return p.seen(tx, in, s)
}

// move moves an intent to where a list showed that it stands.
func (p pass) move(tx *journal.Tx, in journal.Intent, to journal.IntentState, change func(*journal.Intent)) error {
	moved, err := tx.SwapIntent(in.Nonce, func(row *journal.Intent) {
		row.State, row.Late, row.Told = to, in.Late, in.Told
		if change != nil {
			change(row)
		}
	}, in.State)
	if err != nil {
		return err
	}
	return tx.Append(string(to), in.Nonce, map[string]any{
		"kind": in.Kind, "instance": moved.Instance, "why": moved.Why, "by": "list", "late": moved.Late,
	})
}

// giveBack lets the quote of an order that the API refused to take be used again.
func giveBack(tx *journal.Tx, in journal.Intent) error {
	if !in.Reusable {
		return nil
	}
	_, err := tx.SwapQuote(in.Quote, func(q *journal.Quote) { q.State = journal.Approved }, journal.Redeemed)
	return err
}
