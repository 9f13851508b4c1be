package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/vast"
)

// answer is what a guarded tool says, as far as it can be true or false.
type answer struct {
	Status      tool.Status
	InstanceID  int64   `json:"instance_id"`
	InstanceIDs []int64 `json:"instance_ids"`
	Replayed    bool
	Message     string
	Quote       *struct {
		QuoteID string `json:"quote_id"`
		Code    string
	}
	failure *tool.Failure
}

func (a answer) String() string {
	if a.failure != nil {
		return fmt.Sprintf("%s: %s", a.failure.Code, a.failure.Message)
	}
	return fmt.Sprintf("%s %d %v %s", a.Status, a.InstanceID, a.InstanceIDs, a.Message)
}

// callKey finds in a context which call it is of.
type callKey struct{}

// call is one call of a tool by an agent.
type call struct {
	n          int
	tool, args string // without an approval
	about      int64  // the instance; 0 for a rental
	began      time.Time
	cancelled  bool
}

// play lets the steps happen, and returns when all agents have what they wanted
// or have given up.
func (w *world) play() {
	var agents sync.WaitGroup
	for _, s := range w.program.steps {
		<-time.After(s.wait)
		switch s.what {
		case "twins":
			for who := range 2 {
				twin := s
				twin.who = who
				agents.Go(func() { w.pursue(twin, "create_instance", w.rents[s.which], 0) })
			}
		case "duel":
			for who := range 2 {
				rival := s
				rival.who, rival.hasty, rival.armed = who, true, who == s.who
				agents.Go(func() { w.pursue(rival, "create_instance", w.rents[(s.which+who)%offers], 0) })
			}
		case "rent":
			agents.Go(func() { w.pursue(s, "create_instance", w.rents[s.which], 0) })
		case "start", "stop":
			if m := w.choose(s); m != nil {
				agents.Go(func() { w.pursue(s, s.what+"_instance", fmt.Sprintf(`{"instance_id":%d}`, m.id), m.id) })
			}
		case "destroy":
			if m := w.choose(s); m != nil {
				w.doom(m.id)
				agents.Go(func() { w.pursue(s, "destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, m.id), m.id) })
			}
		case "list":
			agents.Go(func() { w.ask(w.living(s.who), call{tool: "list_instances", args: `{}`}, "", 0) })
		default:
			w.befall(s)
		}
	}
	agents.Wait()
}

// befall is what happens to processes, clocks and labels.
func (w *world) befall(s step) {
	p := w.living(s.who)
	switch s.what {
	case "wait":
		<-time.After(s.d)
	case "crash":
		p.arm(s)
		go w.revive(p, s.who, time.Until(p.Now()), s.d)
	case "stall":
		p.arm(s)
	case "clock":
		w.tell("the clock of %s is set by %v", p.name, s.d)
		if s.d < -2*time.Minute {
			// A process that lives measures time by another clock, which no one sets.
			go w.revive(p, s.who, time.Until(p.Now())+s.d, time.Second)
			p.die()
			return
		}
		p.mu.Lock()
		p.skew += s.d
		p.mu.Unlock()
	case "tidy":
		if m := w.choose(s); m != nil {
			w.mu.Lock()
			w.must(w.door.Instances.SetLabel(context.Background(), vast.InstanceID(m.id), "tidied"))
			w.learn(nil)
			w.mu.Unlock()
			w.tell("somebody tidies the label of %d", m.id)
		}
	}
}

// revive starts the program again some time after p has died.
func (w *world) revive(p *process, who int, skew, after time.Duration) {
	select {
	case <-p.died:
	case <-w.over:
		return
	}
	<-time.After(after)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.crew[who] == p {
		w.runs[who]++
		w.crew[who] = w.launch(who, w.runs[who], w.program.modes[who], skew)
	}
}

// living waits until the process runs.
func (w *world) living(who int) *process {
	for {
		w.mu.Lock()
		p := w.crew[who]
		w.mu.Unlock()
		if !p.isDead() {
			return p
		}
		<-time.After(time.Second)
	}
}

// choose picks one of the machines that there are; nil when there is none.
func (w *world) choose(s step) *machine {
	all := w.known()
	if len(all) == 0 {
		return nil
	}
	return all[s.which%len(all)]
}

func (w *world) doom(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doomed[id] = true
}

// pursue is an agent that wants one thing: it gets its quote approved, and calls
// again when it does not know.
func (w *world) pursue(s step, name, args string, about int64) {
	dice := rand.New(rand.NewPCG(s.seed, uint64(s.who)))
	who, approval, patience, quoted := s.who, "", 20*time.Second, false
	if s.hasty {
		patience = time.Second
	}
	for range 5 {
		cancel := time.Duration(0)
		if dice.IntN(5) == 0 {
			cancel = upTo(dice, 30*time.Second)
		}
		p := w.living(who)
		if s.armed && quoted {
			p.arm(s)
			s.armed = false
		}
		a, answered := w.ask(p, call{tool: name, args: args, about: about}, approval, cancel)
		approval, quoted = "", quoted || a.Quote != nil
		switch {
		case answered && a.Quote != nil:
			<-time.After(upTo(dice, patience))
			if w.mode(who) == guard.Model {
				approval = a.Quote.QuoteID
				continue
			}
			yes := dice.IntN(12) > 0
			if w.decide(a.Quote.Code, yes); !yes {
				return
			}
		case answered && a.Status == tool.Done && dice.IntN(3) > 0, answered && a.failure != nil && dice.IntN(2) == 0:
			return
		default:
			<-time.After(upTo(dice, 2*patience))
			if dice.IntN(4) == 0 {
				who = 1 - who
			}
		}
	}
}

func (w *world) mode(who int) guard.Mode { return w.program.modes[who] }

// decide answers a quote as a person on the command line does. One that waits
// no longer is let be.
func (w *world) decide(code string, yes bool) {
	w.looking.Lock()
	defer w.looking.Unlock()
	all, err := guard.ListWaiting(context.Background(), w.own, time.Now())
	w.must(err)
	for _, one := range all {
		if one.Code == code {
			err := guard.AnswerWaiting(context.Background(), w.own, one, guard.Answer{Yes: yes, Via: "test", OutBand: true})
			w.tell("a person says %t to %s: %v", yes, code, err)
		}
	}
}

func (w *world) nextCall() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	return w.calls
}

// ask makes one call and judges its answer. There is none from a process that
// dies meanwhile.
func (w *world) ask(p *process, c call, approval string, cancel time.Duration) (a answer, answered bool) {
	args := c.args
	if approval != "" {
		args = strings.TrimSuffix(args, "}") + fmt.Sprintf(`,"approval":%q}`, approval)
	}
	c.n = w.nextCall()
	ctx, stop := context.WithCancel(context.WithValue(context.Background(), callKey{}, c.n))
	defer stop()
	if cancel > 0 {
		defer time.AfterFunc(cancel, stop).Stop()
	}
	c.began = time.Now()
	p.called()
	w.tell("%s is called: %s %s", p.name, c.tool, args)
	results := make(chan tool.Result, 1)
	go func() {
		res, err := p.app.Call(ctx, c.tool, json.RawMessage(args), nil)
		w.must(err)
		results <- res
	}()
	select {
	case res := <-results:
		if p.isDead() {
			return a, false
		}
		a.failure = res.Failure
		if res.Failure == nil {
			w.must(json.Unmarshal(res.Structured, &a))
		}
	case <-p.died:
		return a, false
	}
	c.cancelled = ctx.Err() != nil
	w.tell("%s says of %s %s: %v", p.name, c.tool, c.args, a)
	w.look()
	w.judge(c, a)
	return a, true
}
