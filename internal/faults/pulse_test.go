package faults_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"vast-mcp/vast"
)

// pulse is the life of a process: its clock, its pauses and its death.
type pulse struct {
	tale *tale
	name string
	died chan struct{}

	mu     sync.Mutex
	dice   *rand.Rand
	skew   time.Duration // of its wall clock
	resume time.Time     // until when it is stalled
	dead   bool
}

// Now is the wall clock of the process.
func (p *pulse) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.skew)
}

// Sleep waits, and longer while the process is paused.
func (p *pulse) Sleep(ctx context.Context, d time.Duration) error {
	err := vast.SystemClock{}.Sleep(ctx, d)
	p.pause()
	return err
}

// pause waits until the process is let go on.
func (p *pulse) pause() {
	p.mu.Lock()
	left := time.Until(p.resume)
	p.mu.Unlock()
	if left > 0 {
		<-time.After(left)
	}
}

func (p *pulse) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	p.dead = true
	close(p.died)
	p.tale.tell("%s dies", p.name)
}

func (p *pulse) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// delay is how long one leg of a request takes. No two take equally long, so
// that what happens at one moment happens in one order.
func (p *pulse) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return upTo(p.dice, 400*time.Millisecond)
}

func (p *pulse) coin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dice.IntN(2) == 0
}
