package view

import (
	"context"
	"time"

	"vast-mcp/vast"
)

// Idle takes account of instances that were just read, and returns since when
// those idle that have done so for long enough to be said. nil says nothing.
type Idle func(ctx context.Context, rows []vast.Instance) map[vast.InstanceID]time.Time

// Since is what f returns.
func (f Idle) Since(ctx context.Context, rows ...vast.Instance) map[vast.InstanceID]time.Time {
	if f == nil {
		return nil
	}
	return f(ctx, rows)
}

// Idling is the instance with the mark that its GPUs idle since then; a zero
// time leaves it as it is.
func (v Instance) Idling(since time.Time) Instance {
	v.IdleSince = since
	return v
}

// word is the state in a table.
func (v Instance) word() string {
	if v.IdleSince.IsZero() {
		return string(v.State)
	}
	return string(v.State) + ", idle"
}
