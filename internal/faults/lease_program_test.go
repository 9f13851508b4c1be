package faults_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// leaseProgram is one schedule of leases: who ends them, what is rented, and what
// happens meanwhile. It is plain data that follows from its seed.
type leaseProgram struct {
	seed    uint64
	layers  []layerPlan
	rents   []rentPlan
	steps   []leaseStep
	weather []spell
}

// What a layer is, and which journal it has.
const (
	serverLayer = "server"
	watchLayer  = "watching reaper"
	cronLayer   = "cron reaper"

	mainJournal  = "main"   // the one that rentals are written in
	ownJournal   = "own"    // one that knows of none
	freshJournal = "fresh"  // one that is new at each start
	brokenFolder = "broken" // where none can be opened
)

// layerPlan is one of those who end leases.
type layerPlan struct {
	kind, journal string
	skew          time.Duration // of its wall clock
}

// rentPlan is one machine.
type rentPlan struct {
	byHand   bool // rented past the program, without a lease
	hours    float64
	onExpiry string
	bid      bool
	fate     string // as sandbox.ParseFault has it; empty: none
}

// leaseStep is one thing that happens. Which fields count follows from what.
type leaseStep struct {
	wait     time.Duration // before it or, near, after the end of the machine's lease
	near     bool
	what     string
	which, n int // machine or layer; variant or operations
	d        time.Duration
	hours    float64
	onExpiry string
}

func (s leaseStep) String() string {
	return fmt.Sprintf("after %v (near the end %t): %s, which %d, n %d, d %v, hours %.2f %s", s.wait, s.near, s.what, s.which, s.n, s.d, s.hours, s.onExpiry)
}

func (p leaseProgram) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n", p.seed)
	for _, l := range p.layers {
		fmt.Fprintf(&b, "  layer: %+v\n", l)
	}
	for i, r := range p.rents {
		fmt.Fprintf(&b, "  machine %d: %+v\n", i, r)
	}
	for _, s := range p.steps {
		fmt.Fprintf(&b, "  %v\n", s)
	}
	for _, s := range p.weather {
		fmt.Fprintf(&b, "  weather: %v\n", s)
	}
	return b.String()
}

// journalOf is the journal that layers of that kind have when all is well.
func (p leaseProgram) journalOf(kind string) string {
	i := slices.IndexFunc(p.layers, func(l layerPlan) bool { return l.kind == kind })
	return p.layers[i].journal
}

func (p leaseProgram) parts() int {
	return len(p.weather) + len(p.steps) + spare(p.layers) + spare(p.rents)
}

// spare is how many of a list could be left out: never the last.
func spare[T any](list []T) int {
	if len(list) > 1 {
		return len(list)
	}
	return 0
}

func (p leaseProgram) without(i int) leaseProgram {
	steps, layers := len(p.weather), len(p.weather)+len(p.steps)
	rents := layers + spare(p.layers)
	switch {
	case i < steps:
		p.weather = cut(p.weather, i)
	case i < layers:
		p.steps = cut(p.steps, i-steps)
	case i < rents:
		p.layers = cut(p.layers, i-layers)
	default:
		p.rents = cut(p.rents, i-rents)
	}
	return p
}

// leaseDeeds is what steps do, each as often as it stands here.
const leaseDeeds = "outage outage die die die night stall stall clock journal journal " +
	"edit edit edit edit edit edit console console console raise " +
	"extend extend extend extend label stop start start release"

// writeLeases makes the schedule of a seed.
func writeLeases(seed uint64) leaseProgram {
	dice := rand.New(rand.NewPCG(seed, 2))
	p := leaseProgram{seed: seed}
	for _, kind := range []string{serverLayer, watchLayer, cronLayer} {
		l := layerPlan{kind: kind, journal: mainJournal, skew: writeSkew(dice)}
		if kind != serverLayer {
			l.journal = pick(dice, mainJournal, ownJournal, freshJournal)
		}
		p.layers = append(p.layers, l)
	}
	for range pick(dice, 0, 1, 1, 2, 2) { // the others are dead for good
		p.layers = cut(p.layers, dice.IntN(len(p.layers)))
	}
	for range 1 + dice.IntN(4) {
		p.rents = append(p.rents, writeRent(dice))
	}
	for range 1 + dice.IntN(2) {
		p.rents = append(p.rents, rentPlan{byHand: true})
	}
	all := strings.Fields(leaseDeeds)
	for range 3 + dice.IntN(9) {
		p.steps = append(p.steps, writeLeaseStep(dice, pick(dice, all...)))
	}
	for range dice.IntN(6) {
		p.weather = append(p.weather, writeLeaseSpell(dice))
	}
	return p
}

func writeSkew(dice *rand.Rand) time.Duration {
	const year = 365 * 24 * time.Hour
	skew := upTo(dice, pick(dice, time.Second, 10*time.Minute, 3*24*time.Hour, 10*year))
	if dice.IntN(2) == 0 {
		return -skew
	}
	return skew
}

func writeRent(dice *rand.Rand) rentPlan {
	return rentPlan{
		hours: writeHours(dice), onExpiry: pick(dice, "stop", "destroy", "destroy"), bid: dice.IntN(3) == 0,
		fate: pick(dice, "", "", "taken", "outbid"),
	}
}

func writeHours(dice *rand.Rand) float64 {
	return 0.2 + dice.Float64()*pick(dice, 0.3, 0.3, 0.8, 11.8)
}

func writeLeaseStep(dice *rand.Rand, what string) leaseStep {
	s := leaseStep{what: what, which: dice.IntN(12), n: dice.IntN(12), hours: writeHours(dice), onExpiry: pick(dice, "", "", "stop", "destroy")}
	s.wait = upTo(dice, pick(dice, 10*time.Second, time.Minute, 8*time.Minute))
	if s.near = dice.IntN(3) == 0; s.near {
		s.wait = upTo(dice, 4*time.Minute) - 3*time.Minute
	}
	switch what {
	case "outage":
		s.d = upTo(dice, pick(dice, 30*time.Second, 5*time.Minute, 10*time.Hour))
	case "night":
		s.d = upTo(dice, 10*time.Hour)
	case "die", "stall", "journal":
		s.d = upTo(dice, pick(dice, 30*time.Second, 10*time.Minute, 2*time.Hour))
	case "clock":
		s.d = writeSkew(dice)
	}
	return s
}

// leaseStakes are the requests that faults strike, each as often as it stands
// here.
const leaseStakes = "list list list get get label label stop stop destroy start user"

func writeLeaseSpell(dice *rand.Rand) spell {
	op := pick(dice, strings.Fields(leaseStakes)...)
	s := spell{op: op, nth: 1 + dice.IntN(4)}
	kinds := []string{"before:drop", "before:502", "before:garbage", "before:401", "after:drop", "after:502", "after:truncate", fmt.Sprintf("slow before:%v", upTo(dice, 20*time.Second)), fmt.Sprintf("slow after:%v", upTo(dice, 20*time.Second))}
	switch op {
	case "list":
		s.nth = 1 + dice.IntN(60)
		kinds = append(kinds, "short", fmt.Sprintf("lags:%v", upTo(dice, 15*time.Second)), fmt.Sprintf("lags:%v", upTo(dice, 15*time.Second)))
	case "get":
		s.nth = 1 + dice.IntN(20)
	case "user":
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "before:401" }) // a key may read the account or not; it does not change its mind
	}
	s.what = pick(dice, kinds...)
	return s
}
