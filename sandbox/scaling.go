package sandbox

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"time"
)

// scaling is how far an endpoint or a workergroup may grow. What a
// workergroup leaves open, its endpoint decides.
type scaling struct {
	MinLoad           *float64 `json:"min_load,omitempty"`
	MinColdLoad       *float64 `json:"min_cold_load,omitempty"`
	TargetUtil        *float64 `json:"target_util,omitempty"`
	ColdMult          *float64 `json:"cold_mult,omitempty"`
	ColdWorkers       *float64 `json:"cold_workers,omitempty"`
	MaxWorkers        *float64 `json:"max_workers,omitempty"`
	MaxQueueTime      *float64 `json:"max_queue_time,omitempty"`
	TargetQueueTime   *float64 `json:"target_queue_time,omitempty"`
	InactivityTimeout *float64 `json:"inactivity_timeout,omitempty"` // seconds; negative: never down to nothing
}

// defaultScaling is what the official client sends where it is told nothing.
func defaultScaling() scaling {
	return scaling{
		MinLoad: new(0.0), MinColdLoad: new(0.0), TargetUtil: new(0.9), ColdMult: new(2.5),
		ColdWorkers: new(5.0), MaxWorkers: new(20.0),
	}
}

// over is s, with what it leaves open taken from another.
func (s scaling) over(o scaling) scaling {
	return scaling{
		MinLoad:           cmp.Or(s.MinLoad, o.MinLoad),
		MinColdLoad:       cmp.Or(s.MinColdLoad, o.MinColdLoad),
		TargetUtil:        cmp.Or(s.TargetUtil, o.TargetUtil),
		ColdMult:          cmp.Or(s.ColdMult, o.ColdMult),
		ColdWorkers:       cmp.Or(s.ColdWorkers, o.ColdWorkers),
		MaxWorkers:        cmp.Or(s.MaxWorkers, o.MaxWorkers),
		MaxQueueTime:      cmp.Or(s.MaxQueueTime, o.MaxQueueTime),
		TargetQueueTime:   cmp.Or(s.TargetQueueTime, o.TargetQueueTime),
		InactivityTimeout: cmp.Or(s.InactivityTimeout, o.InactivityTimeout),
	}
}

// equal tells whether both say the same.
func (s scaling) equal(o scaling) bool { return bytes.Equal(encode(s), encode(o)) }

// maxFigure bounds what is added and multiplied to scale by.
const maxFigure = 1e6

// check names the first figure that makes no sense.
func (s scaling) check() error {
	for _, f := range []struct {
		name  string
		value *float64
		least float64
	}{
		{"min_load", s.MinLoad, 0},
		{"min_cold_load", s.MinColdLoad, 0},
		{"target_util", s.TargetUtil, 0.01},
		{"cold_mult", s.ColdMult, 0},
		{"cold_workers", s.ColdWorkers, 0},
		{"max_workers", s.MaxWorkers, 0},
		{"max_queue_time", s.MaxQueueTime, 0},
		{"target_queue_time", s.TargetQueueTime, 0},
		{"inactivity_timeout", s.InactivityTimeout, -maxFigure},
	} {
		if f.value != nil && !(*f.value >= f.least && *f.value <= maxFigure) {
			return badQuery(fmt.Sprintf("Invalid args: %s must be from %g to %g", f.name, f.least, maxFigure))
		}
	}
	return nil
}

// timeout is how long an endpoint may lie idle; 0 is for ever.
func (s scaling) timeout() time.Duration {
	return time.Duration(max(figure(s.InactivityTimeout), 0) * float64(time.Second))
}

func figure(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

func whole(f *float64) int64 { return int64(math.Round(figure(f))) }

// target is what a workergroup should have.
type target struct {
	warm  float64 // capacity that runs
	all   float64 // capacity that is there, running or stopped
	least int     // workers that are there
	most  int
	one   bool // runs, whatever the load
}

// target follows from the load, the endpoint's state and the bounds.
func (g *workergroup) target(e *endpoint, groups int, now time.Time) target {
	if e.State == endpointStopped {
		return target{}
	}
	s := g.Scaling.over(e.Scaling)
	load := max(figure(s.MinLoad), e.load(now)/float64(max(groups, 1)))
	want := target{
		all:   max(figure(s.MinColdLoad), figure(s.ColdMult)*load),
		least: int(whole(s.ColdWorkers)), most: int(whole(s.MaxWorkers)),
	}
	if e.State == endpointActive && !e.Idle {
		want.warm = load / figure(s.TargetUtil)
		want.one = figure(s.InactivityTimeout) < 0
	}
	return want
}

// enough tells whether these workers are what is wanted, or all that may be.
func (t target) enough(workers []*worker) bool {
	if len(workers) >= t.most {
		return true
	}
	least := t.least
	if t.one {
		least = max(least, 1)
	}
	capacity := 0.0
	for _, w := range workers {
		capacity += w.Perf
	}
	return len(workers) >= least && capacity >= max(t.all, t.warm)
}
