package rental

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Ending is what was done about one lease, or is still to be done.
type Ending struct {
	Instance vast.InstanceID
	Until    time.Time
	Did      string // for people
	Err      error  // it could not be done; the next look tries again
	Stays    bool   // nothing more is done about it here

	nonce string
}

// String is the ending in one line.
func (e Ending) String() string {
	what := e.Did
	if e.Err != nil {
		what = "could not be " + e.Did + ": " + e.Err.Error()
	}
	switch {
	case e.Instance == 0:
		return what
	case e.Until.IsZero():
		return fmt.Sprintf("instance %d: %s", e.Instance, what)
	}
	return fmt.Sprintf("instance %d, lease until %s: %s", e.Instance, e.Until.UTC().Format(time.RFC3339), what)
}

// hold is a lease on an instance.
type hold struct {
	row     vast.Instance
	tail    Tail // the lease that counts
	written bool // it is the one in the label
	granted bool // the journal knows it
	strange bool // the journal knows another one for this instance
	edited  bool // it ends sooner, or otherwise, than the journal knows that it was granted
	shared  bool // another instance carries the same nonce
}

// Enforce ends the instances among rows, a complete list that was begun that
// long ago, whose lease is over, and puts back leases that somebody took out of a label.
// Instances without a lease are let be. It goes by the API's clock, and does
// its work without a journal too: then only labels count.
//
// What it did was asked for, not seen. left is what rows did not show at rest or
// gone though its lease is over, and what cannot be judged or was not done: the
// next look tells.
func (d *Desk) Enforce(ctx context.Context, rows []vast.Instance, age time.Duration) (did, left []Ending) {
	now := d.apiNow()
	d.recall(ctx, rows)
	owing := d.vanished(ctx, rows)
	holds, left := d.holds(ctx, rows, now)
	if d.client.ServerTime().IsZero() {
		left = append(left, Ending{Did: "the API does not tell its time, and deadlines went by this machine's clock", Stays: true})
	}
	slices.SortFunc(holds, func(a, b hold) int { return a.tail.Until.Compare(b.tail.Until) })
	due := slices.IndexFunc(holds, func(h hold) bool { return now.Before(h.tail.Until.Add(leaseGrace)) })
	if due < 0 {
		due = len(holds)
	}
	did = d.stopAtOnce(ctx, holds[:due], now.Add(-age))
	for _, h := range holds[:due] {
		if ending, acted := d.end(ctx, h, did, now.Add(-age)); acted {
			did = append(did, ending)
		}
		if why, stays := d.unfinished(h); why != "" {
			owing = append(owing, Ending{Instance: h.row.ID, Until: h.tail.Until, Did: why, Stays: stays})
		}
	}
	d.owe(owing)
	left = append(left, owing...)
	for _, h := range holds[due:] {
		if !h.written {
			healed := d.heal(ctx, h)
			did = append(did, healed)
			if healed.Err != nil {
				left = append(left, healed)
			}
		}
	}
	d.noteEndings(ctx, did)
	return did, left
}

// holds finds the leases that count. What cannot be judged is only reported.
func (d *Desk) holds(ctx context.Context, rows []vast.Instance, now time.Time) (holds []hold, odd []Ending) {
	granted := d.granted(ctx)
	carried := map[string]int{}
	for _, row := range rows {
		_, tail, _ := ParseLabel(row.Label)
		carried[tail.Nonce]++
	}
	for _, row := range rows {
		_, tail, labelled := ParseLabel(row.Label)
		lease, known := granted[int64(row.ID)]
		switch {
		case labelled && !tail.Until.After(d.latest(lease, known, now)):
			ours := lease.Nonce == tail.Nonce
			edited := ours && (tail.Until.Before(lease.Until) || tail.OnExpiry != lease.OnExpiry)
			holds = append(holds, hold{row, tail, true, known && ours, known && !ours, edited, carried[tail.Nonce] > 1})
		case known:
			// Its label was edited. What was granted holds, and takes nothing away
			// that could not be got back.
			own := Tail{Nonce: lease.Nonce, Until: lease.Until, OnExpiry: OnExpiryStop, IdleMinutes: lease.IdleMinutes}
			holds = append(holds, hold{row: row, tail: own, granted: true})
		case labelled:
			odd = append(odd, Ending{Instance: row.ID, Until: tail.Until, Stays: true, Did: "not touched: the deadline in its label is later than any that is allowed, and the journal does not know it"})
		case Running(row) && strings.Contains(row.Label, tailMark):
			odd = append(odd, Ending{Instance: row.ID, Stays: true, Did: "not touched: the lease in its label is damaged, and the journal does not know it"})
		}
	}
	return holds, odd
}

// latest is how late a deadline in a label may be to be believed: where the
// journal knows the lease, no later than it was granted, or could have been.
func (d *Desk) latest(lease journal.Lease, known bool, now time.Time) time.Time {
	longest := cmp.Or(d.policy.MaxLease, longestLease)
	latest := now.Add(longest)
	if known {
		latest = lease.Until
		if minted, ok := mintTime(lease.Nonce); ok && minted.Add(longest).After(latest) {
			latest = minted.Add(longest)
		}
	}
	return latest.Add(leaseGrace)
}

// granted reads what the journal knows of leases. A journal that cannot be read
// knows nothing, and the labels have to do.
func (d *Desk) granted(ctx context.Context) (granted map[int64]journal.Lease) {
	if !d.journal.Exists() {
		return nil
	}
	realm, err := d.Realm(ctx)
	if err == nil {
		err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) (err error) {
			granted, err = tx.Leases()
			return err
		})
	}
	if err != nil {
		d.log.Warn("leases are enforced by labels alone: the journal cannot be read", "err", err)
	}
	return granted
}

// fewDue is how many instances are ended one by one, each looked at right
// before. More that run would wait for each other too long.
const fewDue = 8

// stopAtOnce stops what runs among holds, all due, if it is much. Only where the
// lease was over when the list was begun, which shows that it is still the same:
// one that is over is not extended any more.
func (d *Desk) stopAtOnce(ctx context.Context, due []hold, listed time.Time) (did []Ending) {
	running := slices.DeleteFunc(slices.Clone(due), func(h hold) bool { return !Running(h.row) || listed.Before(h.tail.Until) })
	if len(running) <= fewDue {
		return nil
	}
	var ids []vast.InstanceID
	for _, h := range running {
		ids = append(ids, h.row.ID)
	}
	err := d.client.Instances.StopMany(ctx, ids)
	for _, h := range running {
		if err == nil {
			d.park(h)
		}
		did = append(did, Ending{Instance: h.row.ID, Until: h.tail.Until, Did: "stopped", Err: err, nonce: h.tail.Nonce})
	}
	return did
}

// end stops or destroys what is past its lease, and reports whether it did
// anything. An instance that looks stopped is stopped once more, for a start may
// be waiting in the queue.
func (d *Desk) end(ctx context.Context, h hold, stopped []Ending, listed time.Time) (did Ending, acted bool) {
	did = Ending{Instance: h.row.ID, Until: h.tail.Until, nonce: h.tail.Nonce}
	destroy, why := d.destroys(h)
	resting := !Running(h.row) && d.isParked(h)
	atOnce := slices.ContainsFunc(stopped, func(e Ending) bool { return e.Instance == h.row.ID && e.Err == nil })
	if !destroy && (resting || atOnce) {
		return Ending{}, false
	}
	row, err := d.client.Instances.Get(ctx, h.row.ID)
	switch {
	case err != nil:
		return d.endUnseen(ctx, h, did, err, listed)
	case row.Label != h.row.Label:
		return Ending{}, false // extended or changed this moment: the next look judges it
	case destroy:
		did.Did, did.Err = "destroyed", ignoreNotFound(d.client.Instances.Destroy(ctx, row.ID))
	default:
		did.Did, did.Err = "stopped", d.client.Instances.Stop(ctx, row.ID)
		if why != "" {
			did.Did += " instead of destroyed, for " + why
		}
		if did.Err == nil {
			d.park(h)
		}
	}
	return did, true
}

// endUnseen ends what the list shows and its own page does not. What runs is
// stopped, if its lease was over when the list was begun, for one that is over is
// not extended any more; nothing is erased.
func (d *Desk) endUnseen(ctx context.Context, h hold, did Ending, unread error, listed time.Time) (Ending, bool) {
	switch {
	case Running(h.row) && !listed.Before(h.tail.Until):
		did.Did, did.Err = "stopped, though its own page could not be read", ignoreNotFound(d.client.Instances.Stop(ctx, h.row.ID))
		if did.Err == nil {
			d.park(h)
		}
	case errors.Is(unread, vast.NotFound):
		return Ending{}, false
	default:
		did.Did, did.Err = "looked at", unread
	}
	return did, true
}

// unfinished says why the list that showed h does not show that it was ended: it
// is empty when that shows. What stays, waiting does not change.
func (d *Desk) unfinished(h hold) (why string, stays bool) {
	silent := h.row.Status == "offline" || h.row.Status == "unknown"
	switch destroy, why := d.destroys(h); {
	case destroy:
		return "not seen gone yet", false
	case !d.isParked(h), !Stopped(h.row) && (!silent || Running(h.row)):
		return "not seen stopped yet", false
	case why != "":
		return "is stopped and was not destroyed, for " + why + ": destroy it by hand if that is what you want", true
	}
	return "", false
}

// destroys reports whether the end of the lease erases the instance. Where it
// says so and yet does not, why tells.
func (d *Desk) destroys(h hold) (destroy bool, why string) {
	if h.tail.OnExpiry != OnExpiryDestroy {
		return false, ""
	}
	why = d.spares(h)
	return why == "", why
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
	case h.edited:
		return "its label says another end than was granted"
	case h.granted:
		return ""
	case !h.tail.Until.After(minted):
		return "its label says an end before its beginning"
	case !ok || started.Sub(minted).Abs() > mintSlack:
		return "the lease may be another instance's: it was not made when this one was"
	case envNonce(h.row) != h.tail.Nonce:
		return "the lease may be another instance's: this one was not ordered with it"
	}
	return ""
}

// heal puts a lease back into a label that lost it.
func (d *Desk) heal(ctx context.Context, h hold) Ending {
	e := Ending{Instance: h.row.ID, Until: h.tail.Until, Did: "its label had lost the lease, which was put back", nonce: h.tail.Nonce}
	if e.Err = d.writeLease(ctx, h.row.ID, "", h.tail); e.Err != nil {
		e.Did = "given back the lease that its label had lost"
	}
	return e
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
