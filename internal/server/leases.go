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

// enforce looks at open orders, leases and costs again and again. A server that
// may not change anything, or has no key, ends nothing.
func (a *App) enforce(ctx context.Context) {
	if len(a.config.enforcers()) == 0 {
		return
	}
	var said []string
	for wait := firstLook; a.config.Clock.Sleep(ctx, wait) == nil; {
		rows, err := a.watch.List(ctx)
		if errors.Is(err, vast.NoKey) {
			return
		}
		wait = a.config.EnforceEvery
		if err != nil {
			a.config.Log.Warn("leases cannot be looked at; this is tried again", "err", err)
			continue
		}
		if a.settle(ctx, rows) {
			wait = min(wait, settleAgain)
		}
		said = a.report(slices.Concat(a.desk.Enforce(ctx, rows), a.curb(ctx, rows), a.desk.StopIdle(ctx, rows)), said)
		wait = min(wait, a.untilDue(rows))
	}
}

// settleAgain is how soon an order that is open is looked for again.
const settleAgain = 20 * time.Second

// settle looks what became of open orders, and reports whether any is left.
func (a *App) settle(ctx context.Context, rows []vast.Instance) (left bool) {
	open, err := a.desk.Open(ctx, rows)
	if err != nil {
		a.config.Log.Warn("open orders cannot be settled; this is tried again", "err", err)
	}
	return err != nil || len(open) > 0
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
func (a *App) untilDue(rows []vast.Instance) time.Duration {
	next := rental.NextDeadline(rows)
	if left := next.Sub(a.config.Client.ServerTime()); !next.IsZero() && left > 0 {
		return left
	}
	return a.config.EnforceEvery
}
