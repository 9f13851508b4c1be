package vast

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Pace is how fast a client may send. Its zero value sets no limit.
type Pace struct {
	// Burst requests may go out at once, and never more than that within
	// Burst times Every; 0 of either means no common limit.
	Burst int
	Every time.Duration
	// Intervals keeps each operation's MinInterval.
	Intervals bool
}

// LivePace is the pace that the production API bears: the documented
// interval of each operation, and 5 requests in any 10 seconds.
func LivePace() Pace {
	return Pace{Burst: 5, Every: 2 * time.Second, Intervals: true}
}

// throttle makes calls wait their turn. A call whose turn would come after
// the deadline of its context is not sent.
func throttle(pace Pace, clock Clock, next exchange) exchange {
	t := &turns{pace: pace, clock: clock}
	return func(ctx context.Context, c call) (answer, error) {
		if err := t.wait(ctx, c); err != nil {
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
	booked []turn // by time; those of the past as long as they count
}

// turn is when a call goes, or went.
type turn struct {
	at       time.Time
	endpoint string
	gap      time.Duration // to other calls of the endpoint
	urgent   bool
}

// wait returns when c may be sent. An urgent call books the first turn that is
// free, so that urgent ones go in the order in which they came, and gives it
// back if its caller leaves. Another only takes a turn that is free right now
// and looks again later otherwise, so that urgent ones pass it.
func (t *turns) wait(ctx context.Context, c call) error {
	for {
		mine, wait, booked := t.take(ctx, c)
		switch {
		case booked && wait == 0:
			return nil
		case !booked && !fits(ctx, t.clock, wait):
			return &Error{Op: c.op.Name, Code: Throttled, RetryAfter: wait, NotSent: true}
		}
		if err := t.clock.Sleep(ctx, wait); err != nil {
			if booked {
				t.giveBack(mine)
			}
			return &Error{Op: c.op.Name, Code: Unavailable, NotSent: true, Err: err}
		}
		if booked {
			return nil
		}
	}
}

// take returns the first turn for c, how long it is until then, and whether
// that turn is now its own.
func (t *turns) take(ctx context.Context, c call) (mine turn, wait time.Duration, booked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	t.booked = slices.DeleteFunc(t.booked, func(b turn) bool { return !now.Before(b.at.Add(max(t.pace.window(), b.gap))) })
	mine = turn{at: now, endpoint: c.op.endpoint(), urgent: c.urgent}
	if t.pace.Intervals {
		mine.gap = c.op.MinInterval
	}
	mine.at = t.first(mine)
	wait = mine.at.Sub(now)
	if wait > 0 && (!c.urgent || !fits(ctx, t.clock, wait)) {
		return mine, wait, false
	}
	t.booked = append(t.booked, mine)
	slices.SortStableFunc(t.booked, func(a, b turn) int { return a.at.Compare(b.at) })
	return mine, wait, true
}

func (t *turns) giveBack(mine turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.booked, mine); i >= 0 {
		t.booked = slices.Delete(t.booked, i, i+1)
	}
}

// first returns the first moment, from that of mine on, at which it is free:
// what is not free yet becomes so when something that was booked stops to count.
func (t *turns) first(mine turn) time.Time {
	moments := []time.Time{mine.at}
	for _, b := range t.booked {
		for _, later := range []time.Duration{t.pace.window(), t.pace.quiet(), mine.gap} {
			if at := b.at.Add(later); at.After(mine.at) {
				moments = append(moments, at)
			}
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	free := slices.IndexFunc(moments, func(at time.Time) bool {
		mine.at = at
		return t.free(mine)
	})
	return moments[free] // at the last of them nothing counts any more
}

// free reports whether a call may go at the moment of mine, by all that was
// booked.
func (t *turns) free(mine turn) bool {
	for i, b := range t.booked {
		// Urgent calls rarely come alone.
		if b.urgent && !mine.urgent && mine.at.Before(b.at.Add(t.pace.quiet())) {
			return false
		}
		if b.endpoint == mine.endpoint && mine.at.Sub(b.at).Abs() < mine.gap {
			return false
		}
		full := i + t.pace.Burst - 1 // with those from b to there one more is too many
		if t.pace.limited() && full < len(t.booked) && span(b.at, t.booked[full].at, mine.at) < t.pace.window() {
			return false
		}
	}
	return true
}

// span is how long the time is in which all three lie; a is not after b.
func span(a, b, c time.Time) time.Duration { return max(b.Sub(a), c.Sub(a), b.Sub(c)) }

func (p Pace) limited() bool { return p.Burst > 0 && p.Every > 0 }

// window is the time in which no more than a burst may go.
func (p Pace) window() time.Duration {
	if !p.limited() {
		return 0
	}
	return time.Duration(p.Burst) * p.Every
}

// quiet is how long calls that are not urgent wait behind one that is.
func (p Pace) quiet() time.Duration {
	if !p.limited() {
		return 0
	}
	return p.Every
}
