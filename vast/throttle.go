package vast

import (
	"context"
	"sync"
	"time"
)

// Pace is how fast a client may send. Its zero value sets no limit.
type Pace struct {
	// Burst requests may go out at once, then one per Every; 0 of either
	// means no common limit.
	Burst int
	Every time.Duration
	// Intervals keeps each operation's MinInterval.
	Intervals bool
}

// LivePace is the pace that the production API bears: the documented
// interval of each operation, and a common budget of a burst of 5 requests,
// then one per 2 seconds.
func LivePace() Pace {
	return Pace{Burst: 5, Every: 2 * time.Second, Intervals: true}
}

// throttle makes calls wait their turn. A call whose turn would come after
// the deadline of its context is not sent.
func throttle(pace Pace, clock Clock, next exchange) exchange {
	t := &turns{pace: pace, clock: clock, free: map[string]time.Time{}}
	return func(ctx context.Context, c call) (answer, error) {
		if err := t.wait(ctx, c.op); err != nil {
			return answer{}, err
		}
		return next(ctx, c)
	}
}

// turns hands out the moments at which calls may go.
type turns struct {
	pace  Pace
	clock Clock

	mu     sync.Mutex
	free   map[string]time.Time // when an endpoint may be called again
	budget time.Time            // when the common budget is full again
}

// wait returns when op may be sent. An urgent operation books the next turn
// and waits for it. Another only takes a turn that is free right now and
// looks again later otherwise, so that urgent ones pass it.
func (t *turns) wait(ctx context.Context, op Operation) error {
	for {
		d, booked := t.take(ctx, op)
		switch {
		case booked && d == 0:
			return nil
		case !booked && !fits(ctx, t.clock, d):
			return &Error{Op: op.Name, Code: Throttled, RetryAfter: d, NotSent: true}
		}
		if err := t.clock.Sleep(ctx, d); err != nil {
			return &Error{Op: op.Name, Code: Unavailable, NotSent: true, Err: err}
		}
		if booked {
			return nil
		}
	}
}

// take returns how long op has to wait, and whether that turn is now its own.
func (t *turns) take(ctx context.Context, op Operation) (wait time.Duration, booked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	at := t.next(op, now)
	wait = at.Sub(now)
	if wait > 0 && (!op.Urgent || !fits(ctx, t.clock, wait)) {
		return wait, false
	}
	if t.pace.limited() {
		t.budget = later(at, t.budget).Add(t.pace.Every)
	}
	t.free[op.endpoint()] = at.Add(op.MinInterval)
	return wait, true
}

// next returns the first moment, from now on, at which op may be sent.
func (t *turns) next(op Operation, now time.Time) time.Time {
	at := now
	if t.pace.limited() {
		at = later(at, t.budget.Add(-time.Duration(t.pace.Burst-1)*t.pace.Every))
	}
	if t.pace.Intervals {
		at = later(at, t.free[op.endpoint()])
	}
	return at
}

func (p Pace) limited() bool { return p.Burst > 0 && p.Every > 0 }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
