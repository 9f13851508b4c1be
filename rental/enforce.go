package rental

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	// leaseGrace is how long after its deadline a lease is left alone.
	leaseGrace = time.Minute
	// mintSlack is how far the start of an instance may lie from the minting of
	// its nonce for the lease to be its own: a copied label is older or newer.
	mintSlack = time.Hour
)

// Ending is what was done about one lease.
type Ending struct {
	Instance vast.InstanceID
	Until    time.Time
	Did      string // for people
	Err      error  // it was not done; the next look tries again
}

// String is the ending in one line.
func (e Ending) String() string {
	line := fmt.Sprintf("instance %d, lease until %s: %s", e.Instance, e.Until.UTC().Format(time.RFC3339), e.Did)
	if e.Err != nil {
		line += ": " + e.Err.Error()
	}
	return line
}

// hold is a lease on an instance.
type hold struct {
	row     vast.Instance
	tail    Tail // the lease that counts
	written bool // it is the one in the label
	granted bool // the journal knows it
	strange bool // the journal knows another one for this instance
	shared  bool // another instance carries the same nonce
}

// Enforce ends the instances among rows, a complete list that was just read,
// whose lease is over, and puts back leases that somebody took out of a label.
// Instances without a lease are let be. It goes by the API's clock, and does
// its work without a journal too: then only labels count. What it reports as
// stopped or destroyed was asked for, not seen; the next call sees.
func (d *Desk) Enforce(ctx context.Context, rows []vast.Instance) []Ending {
	now := d.apiNow()
	d.unpark(rows)
	holds, said := d.holds(ctx, rows, now)
	slices.SortFunc(holds, func(a, b hold) int { return a.tail.Until.Compare(b.tail.Until) })
	for _, h := range holds {
		switch {
		case !now.Before(h.tail.Until.Add(leaseGrace)):
			said = append(said, d.end(ctx, h)...)
		case !h.written:
			said = append(said, d.heal(ctx, h))
		}
	}
	return said
}

// holds finds the leases that count. What cannot be judged is only reported.
func (d *Desk) holds(ctx context.Context, rows []vast.Instance, now time.Time) (holds []hold, odd []Ending) {
	granted := d.granted(ctx, rows)
	longest := cmp.Or(d.policy.MaxLease, longestLease)
	carried := map[string]int{}
	for _, row := range rows {
		_, tail, _ := ParseLabel(row.Label)
		carried[tail.Nonce]++
	}
	for _, row := range rows {
		_, tail, labelled := ParseLabel(row.Label)
		lease, known := granted[row.ID]
		latest := now.Add(longest)
		if known {
			latest = latestFor(lease, longest)
		}
		switch {
		case labelled && !tail.Until.After(latest.Add(leaseGrace)):
			ours := lease.Nonce == tail.Nonce
			holds = append(holds, hold{row, tail, true, known && ours, known && !ours, carried[tail.Nonce] > 1})
		case known:
			// Its label was edited. What was granted holds, and takes nothing away
			// that could not be got back.
			own := Tail{Nonce: lease.Nonce, Until: lease.Until, OnExpiry: OnExpiryStop, IdleMinutes: lease.IdleMinutes}
			holds = append(holds, hold{row: row, tail: own, granted: true})
		case labelled:
			odd = append(odd, Ending{Instance: row.ID, Until: tail.Until, Did: "not touched: the deadline in its label is later than any that is allowed, and the journal does not know it"})
		}
	}
	return holds, odd
}

// latestFor is how late the deadline of a lease that the journal knows may be:
// no later than it was granted, or could have been.
func latestFor(lease journal.Lease, longest time.Duration) time.Time {
	if minted, ok := mintTime(lease.Nonce); ok && minted.Add(longest).After(lease.Until) {
		return minted.Add(longest)
	}
	return lease.Until
}

// granted reads what the journal knows of the leases on rows. A journal that
// cannot be read knows nothing, and the labels have to do.
func (d *Desk) granted(ctx context.Context, rows []vast.Instance) map[vast.InstanceID]journal.Lease {
	granted := map[vast.InstanceID]journal.Lease{}
	realm, err := d.Realm(ctx)
	if err == nil {
		err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
			for _, row := range rows {
				lease, ok, err := tx.LeaseOn(int64(row.ID))
				if err != nil {
					return err
				}
				if ok {
					granted[row.ID] = lease
				}
			}
			return nil
		})
	}
	if err != nil {
		d.log.Warn("leases are enforced by labels alone: the journal cannot be read", "err", err)
	}
	return granted
}

// end stops or destroys what is past its lease. An instance that looks stopped
// is stopped once more, for a start may be waiting in the queue.
func (d *Desk) end(ctx context.Context, h hold) []Ending {
	did := Ending{Instance: h.row.ID, Until: h.tail.Until}
	row, err := d.client.Instances.Get(ctx, h.row.ID)
	switch {
	case errors.Is(err, vast.NotFound):
		return nil
	case err != nil:
		did.Did, did.Err = "could not be looked at", err
		return []Ending{did}
	case row.Label != h.row.Label:
		return nil // extended or changed this moment: the next look judges it
	}
	why := d.spares(h)
	switch {
	case h.tail.OnExpiry == OnExpiryDestroy && why == "":
		did.Did, did.Err = "destroyed", ignoreNotFound(d.client.Instances.Destroy(ctx, row.ID))
	case !Running(row) && d.parked(h):
		return nil
	default:
		did.Did, did.Err = "stopped", d.client.Instances.Stop(ctx, row.ID)
		if h.tail.OnExpiry == OnExpiryDestroy {
			did.Did += " instead of destroyed, for " + why
		}
		if did.Err == nil && !Running(row) {
			d.park(h)
		}
	}
	d.noteEnding(ctx, h.tail.Nonce, did)
	return []Ending{did}
}

// spares says why a lease that says destroy only stops: nothing is erased on a
// doubtful word. It is empty when there is no doubt.
func (d *Desk) spares(h hold) string {
	minted, ok := mintTime(h.tail.Nonce)
	switch started := time.Unix(int64(h.row.StartDate), 0); {
	case d.client.ServerTime().IsZero():
		return "the API's clock is not known"
	case h.shared, h.strange:
		return "the lease is another instance's too"
	case h.granted:
		return ""
	case !ok || started.Sub(minted).Abs() > mintSlack:
		return "the lease may be another instance's: it was not made when this one was"
	}
	return ""
}

// parked reports whether the instance, which looks stopped, was stopped once
// more after this lease ended.
func (d *Desk) parked(h hold) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.parkedFor[h.row.ID] == h.tail.String()
}

func (d *Desk) park(h hold) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parkedFor[h.row.ID] = h.tail.String()
}

// unpark forgets instances that are gone.
func (d *Desk) unpark(rows []vast.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.parkedFor, func(id vast.InstanceID, _ string) bool {
		return !slices.ContainsFunc(rows, func(row vast.Instance) bool { return row.ID == id })
	})
}

// heal puts a lease back into a label that lost it.
func (d *Desk) heal(ctx context.Context, h hold) Ending {
	did := Ending{
		Instance: h.row.ID, Until: h.tail.Until, Did: "its label had lost the lease, which was put back",
		Err: d.writeLease(ctx, h.row.ID, "", h.tail),
	}
	d.noteEnding(ctx, h.tail.Nonce, did)
	return did
}

// noteEnding journals what was done. It was done either way.
func (d *Desk) noteEnding(ctx context.Context, nonce string, did Ending) {
	realm, err := d.Realm(ctx)
	if err == nil {
		err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
			return tx.Append("lease", nonce, map[string]any{"instance": did.Instance, "did": did.Did, "ok": did.Err == nil})
		})
	}
	if err != nil {
		d.log.Warn("noting the end of a lease", "instance", did.Instance, "err", err)
	}
}

// NextDeadline is when the first lease among rows is to be ended, on the API's
// clock; zero when none carries one.
func NextDeadline(rows []vast.Instance) time.Time {
	var next time.Time
	for _, row := range rows {
		if _, tail, ok := ParseLabel(row.Label); ok && Running(row) && (next.IsZero() || tail.Until.Before(next)) {
			next = tail.Until
		}
	}
	if next.IsZero() {
		return next
	}
	return next.Add(leaseGrace)
}
