package vast

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	maxRetries = 3
	maxWait    = time.Minute
)

// retry repeats a call that failed in a way that leaves room for hope and,
// above all, without a second effect.
func retry(clock Clock, log *slog.Logger, next exchange) exchange {
	return func(ctx context.Context, c call) (answer, error) {
		var uncertain, sent bool
		for try := 0; ; try++ {
			a, err := next(ctx, c)
			failed, ok := errors.AsType[*Error](err)
			if !ok {
				return a, err
			}
			// What an earlier try may have done, a later one cannot undo.
			uncertain, sent = uncertain || failed.Uncertain, sent || !failed.NotSent
			failed.Uncertain, failed.NotSent = uncertain, !sent

			wait, again := pause(c.op, failed, try)
			if failed.Code == Throttled {
				failed.RetryAfter = wait
			}
			if !again || ctx.Err() != nil || !fits(ctx, clock, wait) {
				return a, err
			}
			log.DebugContext(ctx, "trying again", "op", c.op.Name, "code", failed.Code, "in", wait)
			if clock.Sleep(ctx, wait) != nil {
				return a, err
			}
		}
	}
}

// pause tells how long to wait after the given try, counted from 0, and
// whether to try again at all. A wait above maxWait is left to the caller.
func pause(op Operation, failed *Error, try int) (wait time.Duration, ok bool) {
	first, again := 500*time.Millisecond, false
	switch failed.Code {
	case Throttled:
		// The API refuses these before it runs them, so that those that are
		// not repeatable may follow too; but one that goes out once goes out
		// once.
		first, again = 2*time.Second, !op.Once
	case Unavailable:
		again = op.Repeatable
	case Garbled:
		again = op.Repeatable && try == 0
	default:
	}
	wait = cmp.Or(failed.RetryAfter, min(first<<try, maxWait))
	return wait, again && try < maxRetries && wait <= maxWait
}
