package sandbox

import (
	"context"
	"time"
)

// farthest bounds market time, so that no speed can overflow it.
const farthest = 100 * 365 * 24 * time.Hour

// marketClock turns wall time into market time.
type marketClock struct {
	Epoch  time.Time `json:"epoch"`  // market time at the anchor
	Anchor time.Time `json:"anchor"` // wall time
	Speed  float64   `json:"speed"`  // market seconds per wall second
}

func (c marketClock) at(wall time.Time) time.Time {
	ran := float64(wall.Sub(c.Anchor)) * c.Speed
	return c.Epoch.Add(time.Duration(min(max(ran, 0), float64(farthest))))
}

// withSpeed goes on at another speed without a jump.
func (c marketClock) withSpeed(speed float64, wall time.Time) marketClock {
	return marketClock{Epoch: c.at(wall), Anchor: wall, Speed: speed}
}

// pause waits d of wall time, or less when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d) //nolint:forbidigo // a fault delays in wall time, here only
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unix is how the API writes a moment: seconds since 1970, as a float.
func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
