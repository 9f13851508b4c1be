package rental

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// ExtendRequest is which lease to extend.
type ExtendRequest struct {
	Instance   vast.InstanceID
	LeaseHours float64 // from now on
	OnExpiry   string  // empty: as it was
}

// sameEnd is how much later a lease must end to be another: a call that is made
// again because its answer was lost is not asked about anew.
const sameEnd = 5 * time.Minute

// PlanExtend prices the time that a lease is to be longer than it is. A lease is
// never shortened, and one that has ended is not extended but started anew.
// What costs nothing is free: a lease that is as long already, and one whose end
// erases nothing any more.
func (d *Desk) PlanExtend(ctx context.Context, r ExtendRequest) (guard.Plan, error) {
	row, err := d.calm.Instances.Get(ctx, r.Instance)
	if err != nil {
		return guard.Plan{}, err
	}
	now := d.apiNow()
	_, old, leased := d.leaseIn(ctx, r.Instance, row.Label, now)
	if err := extendable(old, leased, now); err != nil {
		return guard.Plan{}, err
	}
	ahead := d.leaseOf(r.LeaseHours)
	tail := Tail{Nonce: old.Nonce, Until: now.Add(ahead).Truncate(time.Second), OnExpiry: cmp.Or(r.OnExpiry, old.OnExpiry)}
	if tail.Until.Sub(old.Until) < sameEnd {
		tail.Until, ahead = old.Until, old.Until.Sub(now)
	}
	p := guard.Plan{
		Kind: guard.KindExtend, Instance: int64(row.ID), Rental: old.Nonce, Nonce: NewNonce(now),
		Binding: "extends " + old.String(), Until: tail.Until, OnExpiry: tail.OnExpiry, Lease: tail.Until.Sub(old.Until),
		GPUs: row.NumGPUs, Image: row.Image, Place: row.Geolocation, EnforcedBy: andItself(d.enforcers(ctx), row),
		DiskRate: usd.Ceil(row.DiskPerHour), UploadPerGB: micro(row.UploadPerGB), DownloadPerGB: micro(row.DownloadPerGB),
	}
	p.Facts = []guard.Fact{{Name: "lease", Value: fmt.Sprintf("now until %s, then %s", old.Until.Format(time.RFC3339), old.OnExpiry)}}
	switch {
	case p.Lease > 0:
		p.Rate, p.Ahead, p.Before = readable(row.PerHour), ahead, readable(row.PerHour).For(old.Until.Sub(beganAt(row, old)))
		p.Summary = fmt.Sprintf("Extend the lease of instance %d, %dx %s, by %s, until %s, then %s", row.ID, row.NumGPUs, plain.Line(row.GPUName, 40), p.Lease, tail.Until.Format(time.RFC3339), tail.OnExpiry)
		user, _ := d.knownUser()
		p.Warnings = autobillWarnings(user)
		err = d.outlive(&p)
	case tail.OnExpiry == old.OnExpiry:
		p.Free, p.Summary = true, fmt.Sprintf("The lease of instance %d ends at %s already", row.ID, old.Until.Format(time.RFC3339))
	default:
		p.Free = tail.OnExpiry == OnExpiryStop
		p.Summary = fmt.Sprintf("At the end of its lease, at %s, %s instance %d instead of %s", old.Until.Format(time.RFC3339), tail.OnExpiry, row.ID, old.OnExpiry)
	}
	return p, err
}

// leaseIn is the lease in a label as far as it is believed: for a deadline that
// nobody can have granted the one that the journal knows stands, as a stop.
// Otherwise an extension would write down as granted what somebody edited.
func (d *Desk) leaseIn(ctx context.Context, id vast.InstanceID, label string, now time.Time) (text string, t Tail, ok bool) {
	text, t, ok = ParseLabel(label)
	lease, known := d.granted(ctx)[int64(id)]
	if ok && t.Until.After(d.latest(lease, known, now)) {
		ok = known && lease.Nonce == t.Nonce
		t.Until, t.OnExpiry = lease.Until, OnExpiryStop
	}
	return text, t, ok
}

// extendable says why a lease cannot be extended.
func extendable(t Tail, leased bool, now time.Time) error {
	switch {
	case !leased:
		return &BadRequest{"instance_id", "it carries no lease of this program", "stop_instance or destroy_instance ends it"}
	case !now.Before(t.Until):
		return &BadRequest{"instance_id", "its lease ended at " + t.Until.UTC().Format(time.RFC3339), "start_instance starts it again under a new lease"}
	}
	return nil
}

// beganAt is when the lease began: its nonce tells, else the instance.
func beganAt(row vast.Instance, t Tail) time.Time {
	if minted, ok := mintTime(t.Nonce); ok && !minted.After(t.Until) {
		return minted
	}
	return startOf(row)
}

// Extend carries out a granted extension: the journal first, then the label,
// read back. It may be repeated, and a lease never ends earlier for it.
func (d *Desk) Extend(ctx context.Context, g *guard.Grant) (Result, error) {
	return d.detached(ctx, g, func(ctx context.Context) (Result, error) { return d.extend(ctx, g) })
}

func (d *Desk) extend(ctx context.Context, g *guard.Grant) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	in := g.Intent()
	id := vast.InstanceID(in.Instance)
	err := g.Extended(ctx, in.Lease(time.Time{}))
	if g.Finished() { // by an identical call
		row, err := d.client.Instances.Get(ctx, id)
		return Result{Instance: row, Known: err == nil}, err
	}
	if err != nil {
		return Result{}, err
	}
	faultpoint.Hit(faultpoint.Extending)
	row, err := d.writeExtension(ctx, in)
	switch {
	case err != nil && vast.Uncertain(err):
		return Result{Why: fmt.Sprintf("whether the lease of instance %d was extended is not known (%v)", id, err)}, nil
	case err != nil:
		return Result{}, g.Failed(ctx, err)
	}
	faultpoint.Hit(faultpoint.Relabelled)
	return Result{Instance: row, Known: true}, g.Finish(ctx)
}

const extendTries = 3

// writeExtension writes the lease that in was granted into the label of its
// instance. Others may extend it at this moment too: the latest end that was
// granted to any of them counts for all.
func (d *Desk) writeExtension(ctx context.Context, in journal.Intent) (row vast.Instance, err error) {
	for range extendTries {
		var written Tail
		row, err = d.rewrite(ctx, vast.InstanceID(in.Instance), func(label string) (string, error) {
			now := d.apiNow()
			text, old, leased := d.leaseIn(ctx, vast.InstanceID(in.Instance), label, now)
			if err := extendable(old, leased, now); err != nil {
				return "", err
			}
			if old.Nonce != in.Rental {
				return "", &BadRequest{"instance_id", "it was started again meanwhile, under another lease", "call again with the same arguments"}
			}
			until := d.grantedUntil(ctx, in)
			if until.Before(old.Until) {
				until = old.Until
			}
			written = Tail{Nonce: old.Nonce, Until: until, OnExpiry: in.OnExpiry, IdleMinutes: old.IdleMinutes}
			return FormatLabel(text, written, maxForeignLabel), nil
		})
		if err != nil || !d.grantedUntil(ctx, in).After(written.Until) {
			return row, err
		}
	}
	return row, nil
}

// grantedUntil is the latest end that was granted for what in extends.
func (d *Desk) grantedUntil(ctx context.Context, in journal.Intent) time.Time {
	until := in.Until
	realm, err := d.Realm(ctx)
	if err == nil {
		err = d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
			l, _, err := tx.Lease(in.Rental)
			if l.Until.After(until) {
				until = l.Until
			}
			return err
		})
	}
	if err != nil {
		d.log.Warn("extending a lease: what else was granted cannot be read", "instance", in.Instance, "err", err)
	}
	return until
}

// carryOn writes the labels of extensions that were granted and whose calls
// ended before they could be written, or nobody knows whether they were.
func (d *Desk) carryOn(ctx context.Context, realm string, counting []journal.Intent, p pass) {
	for _, in := range counting {
		if d.readOnly || in.Kind != guard.KindExtend || p.busy(in) || !p.stale(in) {
			continue
		}
		to, why := journal.Done, ""
		if in.State == journal.Prepared {
			to, why = journal.Refused, "never sent"
		} else if _, err := d.writeExtension(ctx, in); err != nil {
			_, bad := errors.AsType[*BadRequest](err)
			if !bad && !errors.Is(err, vast.NotFound) {
				d.log.Warn("extending a lease", "instance", in.Instance, "err", err)
				continue
			}
			to, why = journal.Refused, err.Error()
		}
		err := d.journal.Tx(context.WithoutCancel(ctx), realm, func(tx *journal.Tx) error {
			return p.move(tx, in, to, func(row *journal.Intent) { row.Why = why })
		})
		if ignoreMoved(err) != nil {
			d.log.Warn("recording the extension of a lease", "instance", in.Instance, "err", err)
		}
	}
}

// stale reports whether no call can be at work on an extension any more.
func (p pass) stale(in journal.Intent) bool {
	return p.now.Wall.Sub(in.UpdatedAt).Abs() > unsentFor
}
