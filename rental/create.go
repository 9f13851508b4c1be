package rental

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/faultpoint"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Result is what is known of a rental when the call answers.
type Result struct {
	Instance vast.Instance // zero unless it was seen
	Known    bool          // false: nobody knows yet, it is being settled
	Why      string        // for people, when not known
	Notes    []string      // for people: what is not as it was quoted
}

const (
	seenWithin = 15 * time.Second // how long a fresh machine may take to show up
	seenPause  = time.Second
	waitOthers = 40 * time.Second // how long to wait for another call with the same grant
	// settleWithin is how long a call looks for what its order made. What is
	// open then is left to whoever settles next.
	settleWithin = 40 * time.Second
)

// Create carries out a granted rental, or carries on where an earlier call
// stopped. When ctx ends first it answers unknown, and the work goes on to a
// written outcome: see Wait.
func (d *Desk) Create(ctx context.Context, g *guard.Grant, r Request) (Result, error) {
	return d.detached(ctx, g, func(ctx context.Context) (Result, error) { return d.create(ctx, g, r) })
}

// detached runs work that must reach its written outcome whatever happens to
// the call that asked for it.
func (d *Desk) detached(ctx context.Context, g *guard.Grant, work func(context.Context) (Result, error)) (Result, error) {
	type answer struct {
		res Result
		err error
	}
	answers := make(chan answer, 1)
	d.working.Go(func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				// Not a failure: the order may be out. The intent says how far it came.
				d.log.Error("panic in an order", "panic", p, "stack", string(debug.Stack()))
				a = answer{res: Result{Why: "this program failed inside; what became of it is being settled"}}
			}
			answers <- a
		}()
		working := context.WithoutCancel(ctx)
		res, err := work(working)
		a.res, a.err = d.outcome(working, g, res, err)
	})
	select {
	case a := <-answers:
		return a.res, a.err
	case <-ctx.Done():
		return Result{Why: settling("there was no answer in time", journal.Intent{Nonce: g.Nonce(), Rate: g.Plan().Rate})}, nil
	}
}

// outcome makes sure that nothing is called failed that may be running: once an
// order is out, only what the API said counts as a failure. A swap that was lost
// means that another call settled it; a journal that cannot be written leaves
// it unknown.
func (d *Desk) outcome(ctx context.Context, g *guard.Grant, res Result, err error) (Result, error) {
	_, said := errors.AsType[*vast.Error](err)
	_, undone := errors.AsType[*NotRented](err)
	switch in := g.Intent(); {
	case !said && errors.Is(err, journal.ErrMoved):
		return d.follow(ctx, g)
	case err == nil, said, undone, errors.Is(err, guard.ErrOver):
		return res, err
	case in.State != journal.Prepared && in.State.Counts():
		d.log.Error("after an order", "nonce", in.Nonce, "err", err)
		return Result{Why: settling("the order was sent and its outcome could not be recorded", in)}, nil
	}
	return res, err
}

// follow answers a call by how far another one has carried the same intent.
func (d *Desk) follow(ctx context.Context, g *guard.Grant) (Result, error) {
	switch in := g.Intent(); {
	case in.State == journal.Rented, in.State == journal.Undoing && in.Kind == guard.KindCreate && in.Instance != 0:
		return d.still(ctx, g)
	case in.State == journal.Undoing && in.Kind == guard.KindCreate:
		return Result{}, notRented(in)
	case in.State == journal.Undoing:
		return Result{Why: settling("it was not seen running and is being called off", in)}, nil
	case in.State.Counts():
		return Result{Why: settling("an identical call is at work on it", in)}, nil
	}
	return Result{}, guard.ErrOver
}

func (d *Desk) create(ctx context.Context, g *guard.Grant, r Request) (Result, error) {
	if g.Resumed() {
		if err := d.waitForOther(ctx, g); err != nil {
			return Result{}, err
		}
	}
	if g.Intent().State == journal.Prepared {
		return d.order(ctx, g, r)
	}
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	switch g.Intent().State {
	case journal.Looking:
		return d.lookAgain(ctx, g)
	case journal.Sent, journal.Answered, journal.Unknown:
		return d.look(ctx, g)
	case journal.Prepared, journal.Undoing, journal.Rented, journal.Refused, journal.Closed, journal.Ended, journal.Done:
	}
	return d.follow(ctx, g)
}

// waitForOther waits while another call is working on the same intent.
func (d *Desk) waitForOther(ctx context.Context, g *guard.Grant) error {
	_, err := d.poll(ctx, seenPause, waitOthers, func() (bool, error) {
		if err := g.Reread(ctx); err != nil {
			return false, err
		}
		in := g.Intent()
		return in.State != journal.Prepared && !in.InFlight(journal.Moment{Wall: d.clock.Now()}), nil
	})
	if err == nil && g.Intent().State == journal.Prepared {
		err = g.GiveBack(ctx, "never sent", journal.Prepared)
		err = errors.Join(err, guard.ErrOver)
	}
	return err
}

// order sends the one request that rents. The compare-and-swap before it makes
// sure that no other process does; whoever loses it sends nothing.
func (d *Desk) order(ctx context.Context, g *guard.Grant, r Request) (Result, error) {
	order, err := d.wireOrder(ctx, r, g.Plan())
	if err != nil {
		return Result{}, errors.Join(err, g.GiveBack(ctx, "never sent", journal.Prepared))
	}
	err = g.Move(ctx, journal.Sent, func(in *journal.Intent) {
		in.SentAt, in.Within = d.moment(), d.orderWithin
	}, journal.Prepared)
	if err != nil {
		return Result{}, err
	}
	faultpoint.Hit(faultpoint.Sent)
	sending, cancel := context.WithTimeout(ctx, d.orderWithin)
	defer cancel()
	id, err := d.calm.Instances.Create(sending, r.Offer, order)
	faultpoint.Hit(faultpoint.Ordered)
	ctx, done := context.WithTimeout(ctx, settleWithin)
	defer done()
	return d.answered(ctx, g, id, r.scrub(err))
}

// settling says of which order nobody knows the outcome.
func settling(what string, in journal.Intent) string {
	return fmt.Sprintf("%s; its nonce is %s and it would cost %s/h", what, in.Nonce, in.Rate)
}

// scrub takes what the order held in confidence out of what the API said about
// it: an error may echo the request.
func (r Request) scrub(err error) error {
	failed, ok := errors.AsType[*vast.Error](err)
	if !ok {
		return err
	}
	secrets := append(strings.Fields(r.ImageLogin), slices.Collect(maps.Values(r.Env))...)
	clean := *failed
	for _, s := range append(secrets, strings.TrimSpace(r.OnStart)) {
		if len(s) >= shortestSecret {
			clean.Message = strings.ReplaceAll(clean.Message, s, "[redacted]")
		}
	}
	return &clean
}

// shortestSecret keeps words like "1" and "-p" readable.
const shortestSecret = 4

// wireOrder is the order as it is sent. A template's own script is read again:
// plans are journaled, and scripts hold secrets.
func (d *Desk) wireOrder(ctx context.Context, r Request, p guard.Plan) (vast.CreateInstance, error) {
	env, _ := r.wireEnv() // checked when it was planned
	onStart := r.OnStart
	if p.Backstop {
		var template vast.Template
		if r.TemplateHash != "" && onStart == "" {
			var err error
			if template, err = d.client.Templates.Get(ctx, r.TemplateHash); err != nil {
				return vast.CreateInstance{}, err
			}
		}
		onStart, _ = withBackstop(d.client.Origin(), tailOfPlan(p), r.ownOnStart(template))
	}
	if r.TemplateHash == "" {
		env[nonceEnv] = p.Nonce
	}
	order := vast.CreateInstance{
		Image: r.Image, TemplateHash: r.TemplateHash, Label: p.Label, OnStart: onStart, RunType: p.Memo,
		ImageLogin: r.ImageLogin, DiskGB: r.DiskGB, Env: env, BidPerHour: r.BidPerHour,
	}
	if r.RunType == RunArgs {
		order.Args = []string{}
	}
	return order, nil
}

// nonceEnv is the variable that carries the nonce into the instance: a second
// place to find a rental whose label was edited.
const nonceEnv = "VAST_MCP_RENTAL"

// answered moves the intent by what came back, and looks. If that came late,
// another process may have called it unknown meanwhile: the answer knows more.
func (d *Desk) answered(ctx context.Context, g *guard.Grant, id vast.InstanceID, err error) (Result, error) {
	failed, _ := errors.AsType[*vast.Error](err)
	switch {
	case err == nil:
		if err := g.Move(ctx, journal.Answered, func(in *journal.Intent) { in.Instance = int64(id) }, journal.Sent, journal.Unknown); err != nil {
			return Result{}, err
		}
		faultpoint.Hit(faultpoint.Answered)
		return d.look(ctx, g)
	case failed != nil && failed.NotSent:
		return Result{}, errors.Join(g.GiveBack(ctx, "never sent", journal.Sent, journal.Unknown), err)
	case failed != nil && !failed.Uncertain:
		return d.refused(ctx, g, err)
	}
	err = g.Move(ctx, journal.Unknown, func(in *journal.Intent) {
		in.Why = fmt.Sprintf("the answer to the order was lost: %v", err)
		if failed != nil {
			in.Instance = int64(failed.NewContract)
		}
	}, journal.Sent, journal.Unknown)
	if err != nil {
		return Result{}, err
	}
	return d.look(ctx, g)
}

// refused looks before it believes: a proxy in between may have sent the order
// twice and shown us the answer to the second.
func (d *Desk) refused(ctx context.Context, g *guard.Grant, refusal error) (Result, error) {
	err := g.Move(ctx, journal.Looking, func(in *journal.Intent) {
		in.Why, in.Reusable, in.Looks = refusal.Error(), errors.Is(refusal, vast.Throttled), 0 // looks before the refusal prove nothing
	}, journal.Sent, journal.Unknown)
	if err != nil {
		return Result{}, err
	}
	list, err := d.client.Instances.All(ctx)
	if err != nil {
		err := g.Move(ctx, journal.Unknown, func(in *journal.Intent) {
			in.Why = fmt.Sprintf("the order was refused (%v), but the list could not be read", refusal)
		}, journal.Looking)
		return Result{Why: settling("the order was refused, but whether nothing was rented could not be checked", g.Intent())}, err
	}
	if res, decided, err := d.decided(ctx, g, list); decided || err != nil {
		return res, err
	}
	return Result{}, refusal
}
