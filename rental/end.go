package rental

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/plain"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	endPause  = 2 * time.Second
	endWithin = 30 * time.Second // how long to watch for what was stopped or destroyed
)

// PlanStop plans a stop. Stopping a rental of the caller's own is free; the
// guard asks about others'.
func (d *Desk) PlanStop(ctx context.Context, id vast.InstanceID) (guard.Plan, error) {
	row, err := d.client.Instances.Get(ctx, id)
	if err != nil {
		return guard.Plan{}, err
	}
	return guard.Plan{
		Kind: guard.KindAct, Instance: int64(id), Nonce: NewNonce(d.apiNow()), Free: Ours(row),
		Summary: fmt.Sprintf("Stop instance %d", id), Targets: []guard.Target{{Instance: int64(id), Ours: Ours(row)}},
		Facts: endFacts(row),
	}, nil
}

// Stop carries out a granted stop. It answers known when the instance was seen
// stopped.
func (d *Desk) Stop(ctx context.Context, g *guard.Grant, id vast.InstanceID) (Result, error) {
	if _, err := g.Begin(ctx); err != nil || g.Finished() {
		return Result{Known: err == nil}, err
	}
	if err := d.client.Instances.Stop(ctx, id); err != nil && !vast.Uncertain(err) {
		return Result{}, g.Failed(ctx, err)
	}
	faultpoint.Hit(faultpoint.Stopping)
	var row vast.Instance
	seen, err := d.poll(ctx, endPause, endWithin, func() (bool, error) {
		var err error
		row, err = d.client.Instances.Get(ctx, id)
		return err == nil && Stopped(row), err
	})
	if err != nil && ctx.Err() == nil {
		return Result{}, err
	}
	if !seen {
		return Result{Instance: row, Why: "the stop was sent; the instance is not seen stopped yet"}, nil
	}
	return Result{Instance: row, Known: true}, g.Finish(ctx)
}

// Stopped reports whether the container has ended and is meant to stay so.
func Stopped(in vast.Instance) bool {
	ended := in.Status == "exited" || in.Status == "stopped" || in.Status == "created" || in.Status == ""
	return in.Wanted == "stopped" && in.ContractState == "stopped" && ended
}

// PlanDestroy plans the end of several instances. All of them must be there.
func (d *Desk) PlanDestroy(ctx context.Context, ids []vast.InstanceID) (guard.Plan, error) {
	p := guard.Plan{Kind: guard.KindAct, Lasting: true}
	var names []string
	for _, id := range ids {
		row, err := d.client.Instances.Get(ctx, id)
		if errors.Is(err, vast.NotFound) && d.Knew(ctx, id) && len(ids) > 1 {
			continue // gone already, which is what is wanted
		}
		if err != nil {
			return p, err
		}
		p.Facts = append(p.Facts, endFacts(row)...)
		p.Targets = append(p.Targets, guard.Target{Instance: int64(id), Ours: Ours(row)})
		names = append(names, fmt.Sprint(id))
	}
	if len(names) == 0 {
		return p, &vast.Error{Op: "destroy instances", Code: vast.NotFound, Message: "all of these are gone already", NotSent: true}
	}
	p.Nonce = NewNonce(d.apiNow())
	if len(ids) == 1 {
		p.Instance = int64(ids[0])
	}
	p.Summary = fmt.Sprintf("Destroy instance %s and erase what is on its disk", strings.Join(names, ", "))
	return p, nil
}

func endFacts(row vast.Instance) []guard.Fact {
	text, _, _ := ParseLabel(row.Label)
	value := fmt.Sprintf("%dx %s, %g GB disk, $%.4f/h", row.NumGPUs, plain.Line(row.GPUName, 40), row.DiskGB, row.PerHour)
	if text = plain.Line(text, 60); text != "" {
		value += ", label " + fmt.Sprintf("%q", text)
	}
	return []guard.Fact{{Name: fmt.Sprint(row.ID), Value: value}}
}

// Destroy carries out a granted destroy and returns the ids that were not seen
// gone yet; the grant stays good for those.
func (d *Desk) Destroy(ctx context.Context, g *guard.Grant, ids []vast.InstanceID) (left []vast.InstanceID, err error) {
	if _, err := g.Begin(ctx); err != nil || g.Finished() {
		return nil, err
	}
	if err := d.delete(ctx, ids); err != nil {
		return ids, err
	}
	faultpoint.Hit(faultpoint.Deleting)
	left = ids
	_, err = d.poll(ctx, endPause, endWithin, func() (bool, error) {
		var err error
		left, err = d.present(ctx, left)
		return len(left) == 0, err
	})
	if err != nil && ctx.Err() == nil {
		return left, err
	}
	if len(left) > 0 {
		return left, nil
	}
	d.ended(ctx, ids)
	return nil, g.Finish(ctx)
}

// ended frees the place that rentals hold against the caps, now that they were
// seen gone. Where it cannot be written a later list does it.
func (d *Desk) ended(ctx context.Context, ids []vast.InstanceID) {
	realm, err := d.Realm(ctx)
	if err == nil {
		err = d.journal.Tx(context.WithoutCancel(ctx), realm, func(tx *journal.Tx) error {
			for _, id := range ids {
				if err := tx.EndRentals(int64(id), end("it was destroyed", d.apiNow())); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		d.log.Warn("noting what was destroyed", "err", err)
	}
}

func (d *Desk) delete(ctx context.Context, ids []vast.InstanceID) error {
	var err error
	if len(ids) == 1 {
		err = d.client.Instances.Destroy(ctx, ids[0])
	} else {
		err = d.client.Instances.DestroyMany(ctx, ids)
	}
	if errors.Is(err, vast.NotFound) || vast.Uncertain(err) {
		return nil // what counts is what is seen afterwards
	}
	return err
}

// present returns those of ids that are still there.
func (d *Desk) present(ctx context.Context, ids []vast.InstanceID) ([]vast.InstanceID, error) {
	var left []vast.InstanceID
	for i, id := range ids {
		_, err := d.client.Instances.Get(ctx, id)
		switch {
		case err == nil:
			left = append(left, id)
		case !errors.Is(err, vast.NotFound):
			return append(left, ids[i:]...), err
		}
	}
	return left, nil
}
