package watch

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"vast-mcp/vast"
)

// shared is one answer for all who ask for it at about the same time.
type shared[T any] struct {
	clock vast.Clock
	ask   func(context.Context) (T, error)

	flight singleflight.Group
	mu     sync.Mutex
	asking int             // how many wait for the flight
	during context.Context //nolint:containedctx // the flight's, which outlives the call that began it
	end    context.CancelFunc
	last   answer[T]
}

// answer is what was asked for, and when. The zero answer is none.
type answer[T any] struct {
	got       T
	began, at time.Time
}

// askWithin is how long a flight may take: a thousand instances are forty pages,
// and the API bears five in ten seconds. It is no call's: a caller that gives up
// must not end it for the others.
const askWithin = 2 * time.Minute

// onlyKey is the key of the one flight that a shared has at a time.
const onlyKey = ""

// get returns an answer that is younger than fresh, and when it was given. A
// caller whose ctx ends is let go at once; the flight ends with the last one.
func (s *shared[T]) get(ctx context.Context, fresh time.Duration) (a answer[T], err error) { //nolint:contextcheck // the flight is nobody's own
	s.mu.Lock()
	if !s.last.at.IsZero() && s.clock.Now().Sub(s.last.at) < fresh {
		defer s.mu.Unlock()
		return s.last, nil
	}
	if s.asking == 0 {
		s.during, s.end = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // leave calls it
	}
	s.asking++
	during := s.during
	landed := s.flight.DoChan(onlyKey, func() (any, error) { return nil, s.fly(during) })
	s.mu.Unlock()
	defer s.leave()
	select {
	case r := <-landed:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.last, r.Err
	case <-ctx.Done():
		return a, ctx.Err()
	}
}

// fly asks once. A panic there would be nobody's, and end the program.
func (s *shared[T]) fly(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	began := s.clock.Now()
	got, err := s.ask(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = answer[T]{got, began, s.clock.Now()}
	return nil
}

// leave ends a flight that nobody waits for any more. Whoever comes next
// begins one of their own.
func (s *shared[T]) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking--; s.asking == 0 {
		s.end()
		s.flight.Forget(onlyKey)
	}
}
