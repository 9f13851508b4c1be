package faults_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
)

// program is one schedule: what happens, in what weather. It is plain data that
// follows from its seed, so that it can be played again and parts left out.
type program struct {
	seed      uint64
	modes     [2]guard.Mode
	instances int     // most that may run
	perHour   float64 // dollars for all that run; 0: no limit
	byHand    bool    // there is a machine on the account that somebody rented and stopped
	steps     []step
	weather   []spell
}

// step is one thing that somebody does. Which fields count follows from what.
type step struct {
	wait  time.Duration // before it
	what  string
	who   int           // process
	which int           // offer or machine
	n     int           // operations of the next call until a crash or a stall
	after bool          // the crash comes after the effect of that request
	aimed bool          // at the moment after a grant, instead of n
	hasty bool          // the agent and its approver lose no time
	armed bool          // the agent's process meets a stall once it has a quote
	d     time.Duration // how long, or by how much
	seed  uint64        // of what an agent decides on the way
}

func (s step) String() string {
	return fmt.Sprintf("after %v: %s by %d, which %d, n %d, after %t, aimed %t, d %v, seed %d", s.wait, s.what, s.who, s.which, s.n, s.after, s.aimed, s.d, s.seed)
}

// spell is bad weather for the nth request of one kind.
type spell struct {
	op   string
	nth  int
	what string // as sandbox.ParseFault has it, or one of ours
}

func (s spell) String() string { return fmt.Sprintf("%s no. %d: %s", s.op, s.nth, s.what) }

func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "modes %v, at most %d instances and $%g/h, one by hand %t\n", p.modes, p.instances, p.perHour, p.byHand)
	for _, s := range p.steps {
		fmt.Fprintf(&b, "  %v\n", s)
	}
	for _, s := range p.weather {
		fmt.Fprintf(&b, "  weather: %v\n", s)
	}
	return b.String()
}

func (p program) parts() int { return len(p.weather) + len(p.steps) }

func (p program) without(i int) program {
	if i < len(p.weather) {
		p.weather = cut(p.weather, i)
	} else {
		p.steps = cut(p.steps, i-len(p.weather))
	}
	return p
}

// deeds is what steps do, each as often as it stands here.
const deeds = "rent rent rent rent twins twins duel duel duel duel stop stop start start start destroy destroy list list " +
	"crash crash crash crash stall stall stall clock clock tidy wait"

// write makes the program of a seed.
func write(seed uint64) program {
	dice := rand.New(rand.NewPCG(seed, 1))
	p := program{seed: seed, instances: pick(dice, 1, 1, 1, 2, 2, 3)}
	for i := range p.modes {
		p.modes[i] = pick(dice, guard.Client, guard.Operator, guard.Model, guard.Model)
	}
	if dice.IntN(3) == 0 {
		p.perHour = 0.2 + dice.Float64()*2
	}
	p.byHand = dice.IntN(2) == 0
	all := strings.Fields(deeds)
	for range 4 + dice.IntN(9) {
		p.steps = append(p.steps, writeStep(dice, pick(dice, all...)))
	}
	p.steps[0] = writeStep(dice, pick(dice, "rent", "duel"))
	for range dice.IntN(9) {
		p.weather = append(p.weather, writeSpell(dice))
	}
	return p
}

func writeStep(dice *rand.Rand, what string) step {
	s := step{what: what, who: dice.IntN(2), which: dice.IntN(offers), n: 1 + dice.IntN(24), after: dice.IntN(2) == 0, seed: dice.Uint64()}
	s.wait = upTo(dice, pick(dice, time.Second, 10*time.Second, time.Minute))
	switch what {
	case "duel":
		// Between a yes and its order: long enough for the rival to order too, or,
		// aimed, for others to take it that this one never will.
		s.n, s.d = 6+dice.IntN(5), 3*time.Second+upTo(dice, 25*time.Second)
		if s.aimed = dice.IntN(3) == 0; s.aimed {
			s.d = 4*time.Minute + upTo(dice, 10*time.Minute)
		}
	case "stall":
		s.d = upTo(dice, pick(dice, 40*time.Second, 3*time.Minute, 25*time.Minute))
		s.aimed = dice.IntN(3) == 0
	case "crash":
		s.aimed = dice.IntN(6) == 0
		s.d = upTo(dice, pick(dice, 2*time.Second, 30*time.Second, 5*time.Minute)) // until it is started again
	case "wait":
		s.d = upTo(dice, pick(dice, time.Minute, 20*time.Minute))
	case "clock":
		s.d = upTo(dice, pick(dice, 2*time.Minute, 20*time.Minute, 3*24*time.Hour, 5*365*24*time.Hour))
		if dice.IntN(2) == 0 {
			s.d = -s.d
		}
	}
	return s
}

// stakes are the requests that faults strike, each as often as it stands here.
const stakes = "create create create create list list list get get start start label stop destroy user search"

func writeSpell(dice *rand.Rand) spell {
	op := pick(dice, strings.Fields(stakes)...)
	s := spell{op: op, nth: 1 + dice.IntN(4)}
	if op == "list" || op == "get" {
		s.nth = 1 + dice.IntN(25)
	}
	kinds := []string{
		"before:drop", "before:502", "before:500", "before:429", "before:garbage", "before:redirect", "before:401",
		"after:drop", "after:502", "after:500", "after:429", "after:garbage", "after:redirect", "after:410", "after:truncate",
		"before:twice", "dial", fmt.Sprintf("slow before:%v", upTo(dice, 50*time.Second)), fmt.Sprintf("slow after:%v", upTo(dice, 50*time.Second)), fmt.Sprintf("late:%v", upTo(dice, time.Minute)),
	}
	switch op {
	case "create":
		kinds = append(kinds, "before:taken", "before:taken", "after:taken", "after:taken", "before:id", "before:other", "before:other", "before:other", "after:id", "after:taken, hidden", "after:taken, hidden", "after:429, hidden", "before:410", "after:drop", "hidden", "hidden", "hidden", "copied", "copied", "vanish", "no-start", "dead-host", "queue", "queue")
	case "user":
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "before:401" }) // a key may read the account or not; it does not change its mind
	case "list", "get":
		// A look that fails once is tried again: it must fail for longer to count.
		kinds = []string{"down:2", "down:5", "down:9", "before:429", "before:garbage", "before:drop", "after:truncate", "slow before:3s", "slow after:20s"}
	}
	s.what = pick(dice, kinds...)
	return s
}

func pick[T any](dice *rand.Rand, from ...T) T { return from[dice.IntN(len(from))] }

// upTo is any time up to most.
func upTo(dice *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(1 + dice.Int64N(int64(most)))
}
