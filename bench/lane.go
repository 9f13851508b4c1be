package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"vast-mcp/vast"
)

// lane is one client: it makes a tool call and waits for the answer.
type lane func(context.Context) error

// timing is how long calls took.
type timing struct {
	took    []time.Duration // each call
	elapsed time.Duration   // all of them
}

// load makes calls over all lanes at once and adds how long they took.
func (t *timing) load(ctx context.Context, lanes []lane, calls int) error {
	var wg sync.WaitGroup
	each := make([][]time.Duration, len(lanes))
	errs := make([]error, len(lanes))
	clock := vast.SystemClock{}
	began := clock.Now()
	for i, call := range lanes {
		wg.Go(func() {
			for range max(1, calls/len(lanes)) {
				at := clock.Now()
				if errs[i] = call(ctx); errs[i] != nil {
					return
				}
				each[i] = append(each[i], clock.Now().Sub(at))
			}
		})
	}
	wg.Wait()
	t.elapsed += clock.Now().Sub(began)
	t.took = slices.Concat(append(each, t.took)...)
	return errors.Join(errs...)
}

// quantile is how long at most the fraction q of the calls took.
func (t *timing) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(t.took))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// rate is calls per second.
func (t *timing) rate() float64 { return float64(len(t.took)) / t.elapsed.Seconds() }

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func micros(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

func ratio(a, b float64) string { return fmt.Sprintf("**%.2f**", a/b) }
