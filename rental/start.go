package rental

import (
	"cmp"
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

// StartRequest is which instance to start, and its new lease.
type StartRequest struct {
	Instance    vast.InstanceID
	LeaseHours  float64 // zero: the owner's default
	OnExpiry    string
	IdleMinutes int // as in Request; zero: as in the lease before
}

// PlanStart prices a start. Starting what runs already, under a lease that goes
// on, is free and does nothing; what runs without one is given one.
func (d *Desk) PlanStart(ctx context.Context, r StartRequest) (guard.Plan, error) {
	row, err := d.calm.Instances.Get(ctx, r.Instance)
	if err != nil {
		return guard.Plan{}, err
	}
	now := d.apiNow()
	p := guard.Plan{Kind: guard.KindAct, Instance: int64(row.ID), Nonce: NewNonce(now)}
	text, old, leased := ParseLabel(row.Label)
	if Running(row) && leased && now.Before(old.Until) {
		p.Free, p.Summary = true, fmt.Sprintf("Instance %d runs already, until %s", row.ID, old.Until.Format(time.RFC3339))
		return p, nil
	}
	lease := d.leaseOf(r.LeaseHours)
	tail := Tail{Nonce: p.Nonce, Until: now.Add(lease).Truncate(time.Second), OnExpiry: r.OnExpiry, IdleMinutes: cmp.Or(r.IdleMinutes, old.IdleMinutes)}
	if !leased && !leavesRoom(text, tail) {
		return p, noRoom()
	}
	p.Kind, p.Lease, p.Rate = guard.KindStart, lease, readable(row.PerHour)
	p.DiskRate, p.GPUs, p.Image, p.Place = usd.Ceil(row.DiskPerHour), row.NumGPUs, row.Image, row.Geolocation
	user, _ := d.knownUser()
	p.Warnings = autobillWarnings(user)
	p.UploadPerGB, p.DownloadPerGB = micro(row.UploadPerGB), micro(row.DownloadPerGB)
	p.EnforcedBy = andItself(d.enforcers(ctx), row)
	if carries(row) && r.OnExpiry == OnExpiryDestroy {
		p.Warnings = append(p.Warnings, "the instance itself only stops at the end of this lease: it destroys itself under none but the one that it was rented under")
	}
	p.Until, p.OnExpiry, p.IdleMinutes, p.Label = tail.Until, tail.OnExpiry, tail.IdleMinutes, FormatLabel(text, tail, maxForeignLabel)
	start := fmt.Sprintf("Start instance %d", row.ID)
	if Running(row) {
		start = fmt.Sprintf("Give instance %d, which runs without a lease that goes on, a new one", row.ID)
	}
	p.Summary = fmt.Sprintf("%s, %dx %s, for %g h", start, row.NumGPUs, plain.Line(row.GPUName, 40), lease.Hours())
	p.Facts = append([]guard.Fact{{Name: "label", Value: plain.Line(text, 80)}}, leaseFacts(lease, tail)...)
	return p, d.outlive(&p)
}

// Start carries out a granted start: the label with its lease first, read back,
// then the start. It fails with vast.Queued when the GPUs are taken, after the
// queue was left again.
func (d *Desk) Start(ctx context.Context, g *guard.Grant) (Result, error) {
	return d.detached(ctx, g, func(ctx context.Context) (Result, error) { return d.start(ctx, g) })
}

func (d *Desk) start(ctx context.Context, g *guard.Grant) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d.orderWithin+settleWithin)
	defer cancel()
	id := vast.InstanceID(g.Intent().Instance)
	if g.Plan().Free {
		row, err := d.client.Instances.Get(ctx, id)
		if err == nil && !Running(row) {
			// It ran when it was planned; starting it now costs, and is to be asked about.
			return Result{}, errors.Join(guard.ErrOver, g.Failed(ctx, errStopped))
		}
		if err == nil && d.removes(ctx, id) {
			return Result{}, g.Failed(ctx, &BadRequest{"instance_id", "an order made it by mistake, and it is being removed", "list_instances shows what stays"})
		}
		return Result{Instance: row, Known: err == nil, Notes: []string{"it ran already, and its lease stays as it was: extend_lease makes it longer"}}, errors.Join(err, g.Finish(ctx))
	}
	if g.Resumed() {
		if err := d.waitForOther(ctx, g); err != nil {
			return Result{}, err
		}
	}
	// A start can be repeated: an intent left behind by another call is
	// simply carried on with.
	lost := false // the answer to an earlier try was, so that a later refusal proves nothing
	err := g.Move(ctx, journal.Sent, func(in *journal.Intent) {
		lost = !in.SentAt.Wall.IsZero()
		in.SentAt, in.Within = d.moment(), d.orderWithin
	}, journal.Prepared, journal.Sent, journal.Unknown)
	if err != nil {
		return Result{}, err
	}
	in := g.Intent()
	err = d.writeLease(ctx, id, "", tailOf(in))
	switch {
	case err != nil && lost:
		return Result{}, err
	case err != nil:
		return Result{}, errors.Join(err, g.GiveBack(ctx, "the lease could not be written, so it was not started", journal.Sent, journal.Unknown))
	}
	faultpoint.Hit(faultpoint.Labelled)
	return d.startLeased(ctx, g, id, lost)
}

// removes reports whether this program is about to remove the instance.
func (d *Desk) removes(ctx context.Context, id vast.InstanceID) (removes bool) {
	err := d.inJournal(ctx, func(tx *journal.Tx) error {
		open, err := tx.Counting()
		for _, in := range open {
			removes = removes || in.State == journal.Undoing && in.Kind == guard.KindCreate && slices.Contains(removing(in), int64(id))
		}
		return err
	})
	if err != nil {
		d.log.Warn("whether an instance is being removed cannot be read", "instance", id, "err", err)
	}
	return removes
}

var errStopped = errors.New("it was stopped meanwhile")

const startTries = 3

func (d *Desk) startLeased(ctx context.Context, g *guard.Grant, id vast.InstanceID, lost bool) (Result, error) {
	var err error
	for range startTries {
		if err = d.calm.Instances.Start(ctx, id); err == nil || !vast.Uncertain(err) {
			break
		}
		lost = true
	}
	faultpoint.Hit(faultpoint.Started)
	switch {
	case errors.Is(err, vast.Queued):
		return d.leaveQueue(ctx, g, id, err)
	case err != nil && !lost:
		return Result{}, errors.Join(err, g.GiveBack(ctx, "refused: "+err.Error(), journal.Sent, journal.Unknown))
	}
	var row vast.Instance
	seen, err := d.poll(ctx, seenPause, seenWithin, func() (bool, error) {
		var err error
		row, err = d.client.Instances.Get(ctx, id)
		return err == nil && row.Wanted == "running", err
	})
	if !seen || err != nil {
		why := "the start was sent and the instance is not seen running yet"
		return Result{Why: why}, g.Move(ctx, journal.Unknown, func(in *journal.Intent) { in.Why = why }, journal.Sent, journal.Unknown)
	}
	return d.adopt(ctx, g, row)
}

// leaveQueue cancels a queued start. A queued instance looks stopped and would
// start, and bill, whenever the GPUs become free.
func (d *Desk) leaveQueue(ctx context.Context, g *guard.Grant, id vast.InstanceID, queued error) (Result, error) {
	if err := d.client.Instances.Stop(ctx, id); err != nil {
		why := fmt.Sprintf("the GPUs are taken, and the place in the queue could not be given up (%v), so that it may start at any time: stop_instance gives it up", err)
		return Result{Why: why}, g.Move(ctx, journal.Unknown, func(in *journal.Intent) { in.Why = why }, journal.Sent, journal.Unknown)
	}
	left := func(in *journal.Intent) { in.Why = "the GPUs are taken; the queue was left" }
	return Result{}, errors.Join(queued, g.Move(ctx, journal.Refused, left, journal.Sent, journal.Unknown))
}
