package faults_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// process is one run of the program. Before each of its operations, which are
// its requests and its transactions, it may die: from then on none of its
// goroutines does anything any more.
type process struct {
	pulse

	w       *world
	app     *server.App
	journal *journal.Journal
	client  *vast.Client

	ops   int
	armed *step // a crash or a stall that the next call will meet
	due   int   // the operation that meets it
}

func (w *world) launch(who, run int, mode guard.Mode, skew time.Duration) *process {
	p := &process{
		pulse: pulse{
			tale: &w.tale, name: fmt.Sprintf("%c%d", 'A'+who, run), died: make(chan struct{}), skew: skew,
			dice: rand.New(rand.NewPCG(w.program.seed, uint64(100*who+run))),
		},
		w: w,
	}
	var err error
	p.journal = w.open(p.wall)
	p.client, err = vast.NewClient(w.market.Key(), vast.WithBaseURL(w.market.Origin()), vast.WithTransport(wire{p}))
	w.must(err)
	answer, order := 45*time.Second, 20*time.Second
	if p.dice.IntN(3) == 0 {
		answer, order = 110*time.Second, time.Minute // as the command line does
	}
	p.app, err = server.New(server.Config{
		Version: "test", Client: p.client, Journal: p.journal, Clock: p, Log: slog.New(slog.NewTextHandler(w.log(p.name), nil)),
		Key:    func() ([]byte, error) { return []byte("a key for tests that is long enough"), nil },
		Policy: w.policy(), Mode: mode, Sandbox: true, ApproveCommand: func(code string) string { return "vast-mcp approve " + code },
		AnswerWithin: answer, OrderWithin: order, PollEvery: 10 * time.Millisecond,
	})
	w.must(err)
	w.launched = append(w.launched, p)
	w.tell("%s starts, mode %s, clock off by %v", p.name, mode, skew)
	return p
}

// wall is the clock that the journal reads before each transaction, which makes
// it the moment between two of them: time passes there, and more of it while
// the process is paused.
func (p *process) wall() time.Time {
	p.operate(false, p.w.look())
	<-time.After(p.delay() / 20)
	p.pause()
	if p.isDead() {
		runtime.Goexit()
	}
	return p.Now()
}

// operate counts an operation, and lets it meet what it is due. It does not
// return to a process that is dead.
func (p *process) operate(request, granted bool) (dieAfter bool) {
	p.mu.Lock()
	p.ops++
	var met step
	if p.armed != nil && (p.armed.aimed && granted || !p.armed.aimed && p.ops == p.due) {
		met, p.armed = *p.armed, nil
	}
	dead := p.dead
	if met.d > 0 && met.what != "crash" {
		p.resume = time.Now().Add(met.d)
	}
	p.mu.Unlock()
	switch {
	case dead:
		runtime.Goexit()
	case met.what == "crash" && (!request || !met.after):
		p.die()
		runtime.Goexit()
	case met.d > 0 && met.what != "crash":
		p.w.tell("%s stalls for %v", p.name, met.d)
	}
	return met.what == "crash"
}

// arm makes the next call meet a crash or a stall.
func (p *process) arm(s step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.due = &s, 0
}

// called notes that a call begins.
func (p *process) called() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.armed != nil && p.due == 0 {
		p.due = p.ops + p.armed.n
	}
}

// leave closes what is open. Nothing is under way any more.
func (w *world) leave() {
	for _, p := range w.launched {
		w.must(p.app.Close())
	}
	w.must(w.own.Close())
}
