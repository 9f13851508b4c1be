package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/server"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// lostAnswer loses the answer to an order.
func (c *chaos) lostAnswer(ctx context.Context) error {
	c.scene("1. The answer to an order is lost",
		"The market carries the order out, and the connection breaks before it can say so. The program does not order again: it looks for the order's nonce in the list. The agent is not sure, and calls again.")
	if err := c.market.Break(sandbox.Fault{Op: "create", When: "after", Drop: true}); err != nil {
		return err
	}
	return c.served(ctx, vast.SystemClock{}, func(*server.App) error {
		args, err := c.order(ctx, "lost answer", 24*time.Hour, "destroy")
		if err != nil {
			return err
		}
		var first, again rented
		for _, answer := range []*rented{&first, &again} {
			if err := c.act("create_instance", args, answer); err != nil {
				return err
			}
		}
		if lost := c.stage.answersLost(); lost != 1 {
			return fmt.Errorf("%d answers were lost, not one", lost)
		}
		if !again.Replayed || again.InstanceID != first.InstanceID {
			return fmt.Errorf("the first call told of instance %d, the second of %d", first.InstanceID, again.InstanceID)
		}
		return errors.Join(c.oneMachine(ctx, 1, first.InstanceID), c.boot(ctx, first.InstanceID))
	})
}

// oneMachine shows that the last order, the only one of its scene, made one
// machine: this one. orders is how many there are by now.
func (c *chaos) oneMachine(ctx context.Context, orders int, id vast.InstanceID) error {
	sent := c.stage.sent()
	if len(sent) != orders {
		return fmt.Errorf("%d orders were on the wire, not %d", len(sent), orders)
	}
	nonce := sent[orders-1]
	there, _, err := c.stage.rentedFor(ctx, nonce)
	if err == nil && there != id {
		err = fmt.Errorf("the order with nonce %s made instance %d, not %d", nonce, there, id)
	}
	if err == nil {
		c.tell("market", fmt.Sprintf("one order came in, with nonce %s. One machine carries that in its label: instance %d.", nonce, id))
	}
	return err
}

const (
	// soon is so long before the end of a lease that nothing may happen yet.
	soon = 5 * time.Minute
	// lookAfter is how long after a full minute somebody looks.
	lookAfter = 10 * time.Second
	// mostLate is how long after its end a lease is ended at the latest: a minute
	// that it is left alone, one between two looks, and one to stop.
	mostLate = 3 * time.Minute
)

// agentGone leaves a machine alone with its lease.
func (c *chaos) agentGone(ctx context.Context) error {
	c.scene("3. An agent goes away", "It rents for two hours and is not seen again. Its server ends with it.")
	var got rented
	err := c.served(ctx, vast.SystemClock{}, func(*server.App) (err error) {
		got, err = c.rent(ctx, "gone away", 2*time.Hour, "stop")
		return err
	})
	if err != nil {
		return err
	}
	until := got.Instance.Lease.Until
	c.tell("", "\nIt is gone. Elsewhere leases are reaped once a minute, as \"vast-mcp reap\" does it, with the API key and an empty journal. A lease is left alone for a minute after its end.")
	if err := c.stage.pass(ctx, until.Sub(c.market.Now())-time.Minute+lookAfter); err != nil {
		return err
	}
	for c.market.Now().Before(until.Add(mostLate)) {
		if err := c.reap(ctx); err != nil {
			return err
		}
		if stopped, err := c.stage.ended(got.InstanceID, "gpu"); err != nil || !stopped.IsZero() {
			return errors.Join(err, c.inTime(got.InstanceID, "stopped", until, stopped))
		}
		if err := c.stage.pass(ctx, time.Minute); err != nil {
			return err
		}
	}
	return fmt.Errorf("instance %d still runs at %s, and its lease ended at %s", got.InstanceID, clockTime(c.market.Now()), clockTime(until))
}

// reap does what the command of that name does, with a journal that knows
// nothing.
func (c *chaos) reap(ctx context.Context) error {
	at := c.market.Now()
	app, err := c.app(vast.SystemClock{})
	if err != nil {
		return err
	}
	round := app.Reap(ctx, reapWithin)
	c.tell("reap", clockTime(at)+" "+strings.Join(lines(round), "\n"))
	return errors.Join(round.Err, app.Close())
}

// inTime shows when a lease was ended, by the ledger, and judges that.
func (c *chaos) inTime(id vast.InstanceID, how string, until, ended time.Time) error {
	if ended.IsZero() {
		return fmt.Errorf("the lease of instance %d ended at %s, and it was not %s", id, clockTime(until), how)
	}
	late := ended.Sub(until)
	c.tell("ledger", fmt.Sprintf("the lease of instance %d ended at %s; it was %s at %s, %s later.",
		id, clockTime(until), how, clockTime(ended), late.Round(time.Second)))
	if late < 0 || late > mostLate {
		return fmt.Errorf("that is not between 0 and %s", mostLate)
	}
	return nil
}

func clockTime(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

const tenYears = 3653 * 24 * time.Hour

// wrongClock sets the clock of a server ten years ahead.
func (c *chaos) wrongClock(ctx context.Context) error {
	c.scene("4. A clock jumps", "A machine's lease says that its end erases it. Then the clock of the server that watches it is set ten years ahead.")
	clock := &turnedClock{}
	return c.served(ctx, clock, func(app *server.App) error {
		got, err := c.rent(ctx, "wrong clock", time.Hour, "destroy")
		if err != nil {
			return err
		}
		until := got.Instance.Lease.Until
		clock.turn(tenYears)
		for _, wait := range []time.Duration{0, until.Sub(c.market.Now()) - soon} {
			if err := errors.Join(c.stage.pass(ctx, wait), c.untouched(ctx, app, clock, got.InstanceID)); err != nil {
				return err
			}
		}
		if err := c.stage.pass(ctx, until.Sub(c.market.Now())+time.Minute+lookAfter); err != nil {
			return err
		}
		if round := app.Reap(ctx, reapWithin); round.Err != nil {
			return round.Err
		}
		erased, err := c.stage.ended(got.InstanceID, "disk")
		if err != nil {
			return err
		}
		return c.inTime(got.InstanceID, "destroyed", until, erased)
	})
}

// untouched lets a server look at the leases, and fails if it does anything
// about this one.
func (c *chaos) untouched(ctx context.Context, app *server.App, clock vast.Clock, id vast.InstanceID) error {
	round := app.Round(ctx)
	if round.Err != nil {
		return round.Err
	}
	for _, e := range slices.Concat(round.Did, round.Left) {
		if e.Instance == id {
			return fmt.Errorf("too early: %s", e)
		}
	}
	if ended, err := c.stage.ended(id, "gpu"); err != nil || !ended.IsZero() {
		return errors.Join(err, fmt.Errorf("instance %d does not run any more", id))
	}
	c.tell("server", fmt.Sprintf("its clock says %s, the API's %s: instance %d is not touched.",
		clock.Now().UTC().Format(time.DateTime), c.market.Now().Format(time.DateTime), id))
	return nil
}
