package tool

import (
	"context"
	"errors"
	"time"

	"vast-mcp/guard"
)

// fitWithin is how long something that would pass is looked for. A refusal is
// the answer with or without it.
const fitWithin = 15 * time.Second

// withFit adds to a refusal by price what would pass instead.
func (j job) withFit(ctx context.Context, p guard.Plan, err error) error {
	refusal, ok := errors.AsType[*guard.Refusal](err)
	if !ok || refusal.Fits == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fitWithin)
	defer cancel()
	found := j.fit(ctx, p, refusal)
	if found == "" {
		return err
	}
	better := *refusal
	better.Next = found + "; or " + better.Next
	return &better
}
