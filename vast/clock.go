package vast

import (
	"context"
	"time"
)

// Clock tells the time and waits. Everything in this package that depends on
// time goes through one, so that tests need not wait.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// Sleep waits for d, or until ctx is done and then returns its error.
	Sleep(ctx context.Context, d time.Duration) error
}

// SystemClock is the Clock of the operating system. Its zero value is ready
// for use, by any number of goroutines.
type SystemClock struct{}

// Now returns time.Now.
func (SystemClock) Now() time.Time { return time.Now() } //nolint:forbidigo // the one place

// Sleep waits for d or until ctx is done, whichever comes first.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d) //nolint:forbidigo // the one place
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// fits reports whether a wait of d ends before the deadline of ctx.
func fits(ctx context.Context, clock Clock, d time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return !limited || clock.Now().Add(d).Before(deadline)
}
