package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"vast-mcp/guard"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// firstLook is how long after the start leases are looked at: a server that
// somebody just started has other things to do first.
const firstLook = 5 * time.Second

// endLeases ends what is past its lease, beside whatever the server does, until
// ctx ends or the returned func is called, which waits for it.
func (a *App) endLeases(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	working.Go(func() { a.enforce(ctx) })
	return func() {
		cancel()
		working.Wait()
	}
}

// enforce goes its rounds until ctx ends. A server that may not change anything,
// or has no key, ends nothing.
func (a *App) enforce(ctx context.Context) {
	if len(a.config.enforcers()) == 0 || a.config.Clock.Sleep(ctx, firstLook) != nil {
		return
	}
	var said []string
	_ = a.Watch(ctx, func(r Round) { // the error is said by what it ends
		if r.Err != nil {
			a.config.Log.Warn("leases cannot be looked at; this is tried again", "err", r.Err)
		}
		said = a.report(append(r.Did, r.Left...), said)
	})
}

// Round is one look at all that has to end.
type Round struct {
	Did  []rental.Ending // what was done, or tried
	Left []rental.Ending // leases that are over and not seen ended, or that cannot be judged
	Open []rental.Order  // orders that are not settled: a machine may run for them
	Next time.Time       // when the next lease ends, on the API's clock; zero: none does
	Err  error           // the list of instances could not be read, so that nothing is known
}

// Round ends leases that are over, rentals that cost more than is allowed and
// those that idle for longer than their lease lets them, and settles open
// orders, by one list of all instances. Ending comes first, for it needs no
// journal.
func (a *App) Round(ctx context.Context) Round {
	rows, began, err := a.watch.List(ctx)
	if err != nil {
		return Round{Err: err}
	}
	r := Round{Next: rental.NextDeadline(rows)}
	r.Did, r.Left = a.desk.Enforce(ctx, rows, a.config.Clock.Now().Sub(began))
	r.Did = slices.Concat(r.Did, a.curb(ctx, rows), a.desk.StopIdle(ctx, rows))
	if r.Open, err = a.desk.Open(ctx, rows); err != nil {
		a.config.Log.Warn("open orders cannot be settled; this is tried again", "err", err)
	}
	if a.config.Reaper && !slices.ContainsFunc(r.Did, refused) {
		wrote := slices.ContainsFunc(r.Did, func(e rental.Ending) bool { return e.Err == nil })
		if err := a.desk.Beat(ctx, wrote); err != nil {
			a.config.Log.Warn("quotes will not say that this reaper works: the journal cannot be written", "err", err)
		}
	}
	return r
}

// refused reports whether the key may not do what a reaper has to do.
func refused(e rental.Ending) bool { return errors.Is(e.Err, vast.Denied) }

// Reap goes rounds until one leaves nothing that is past its lease, for at most
// the time of within. It returns what all of them did, and what the last left.
func (a *App) Reap(ctx context.Context, within time.Duration) (all Round) {
	for end := a.config.Clock.Now().Add(within); ; {
		r := a.Round(ctx)
		did := append(all.Did, r.Did...)
		all = r
		all.Did = did
		pause := max(a.config.PollEvery, time.Second) // a fresh list
		done := r.Err == nil && !slices.ContainsFunc(r.Left, func(e rental.Ending) bool { return !e.Stays })
		if done || errors.Is(r.Err, vast.NoKey) || !a.config.Clock.Now().Add(pause).Before(end) || a.config.Clock.Sleep(ctx, pause) != nil {
			return all
		}
	}
}

// settleAgain is how soon an order that is open is looked for again.
const settleAgain = 20 * time.Second

// Watch goes rounds until ctx ends, at the latest whenever a lease does, and
// tells of each. It fails at once when there is no API key.
func (a *App) Watch(ctx context.Context, tell func(Round)) error {
	for ctx.Err() == nil {
		r := a.Round(ctx)
		switch {
		case ctx.Err() != nil: // that it was cut short is no news
		case errors.Is(r.Err, vast.NoKey):
			return r.Err
		default:
			tell(r)
			_ = a.config.Clock.Sleep(ctx, a.pause(r)) // which ends early only with ctx
		}
	}
	return nil
}

// pause is how long to wait after a round.
func (a *App) pause(r Round) time.Duration {
	wait := min(a.config.EnforceEvery, a.untilDue(r.Next))
	if len(r.Open) > 0 {
		wait = min(wait, settleAgain)
	}
	return wait
}

// curb stops what turned out dearer than allowed.
func (a *App) curb(ctx context.Context, rows []vast.Instance) []rental.Ending {
	over, err := a.guard.Overruns(ctx, func(ctx context.Context, need guard.Need) guard.Exposure { return a.desk.Exposed(ctx, rows, need) })
	if err != nil {
		a.config.Log.Warn("what rentals cost cannot be judged; this is tried again", "err", err)
	}
	return a.desk.Curb(ctx, over)
}

// enforcers names who ends the leases of what is rented here.
func (c Config) enforcers() []string {
	if c.EnforceEvery == 0 || c.Selection.ReadOnly {
		return nil
	}
	return []string{guard.ByServer}
}

// report logs what was done about leases, once: what stays undone would be said
// at every look.
func (a *App) report(endings []rental.Ending, before []string) []string {
	var now []string
	for _, e := range endings {
		now = append(now, e.String())
		if !slices.Contains(before, e.String()) {
			a.config.Log.Warn("lease: " + e.String())
		}
	}
	return now
}

// untilDue is how long it is to the next deadline, on the API's clock. One that
// has passed was acted on.
func (a *App) untilDue(next time.Time) time.Duration {
	if left := next.Sub(a.config.Client.ServerTime()); !next.IsZero() && left > 0 {
		return left
	}
	return a.config.EnforceEvery
}
