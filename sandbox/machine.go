package sandbox

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// machine is a host's box. It doesn't change: what is rented on it is in the
// state.
type machine struct {
	index       int
	id, host    int64
	bundle      int64
	model       *gpu
	ram         int64 // MB per GPU
	computeCap  *int64
	gpus, chunk int
	rented      [2]int // GPUs that others have: the first, how many
	firstGPU    int64
	dlperf      float64 // per GPU
	lanes       int64
	pciGen      float64
	pcieBW      float64
	memBW       float64
	nvlink      float64
	system
	network
	terms
}

// system is the machine without its GPUs and its network.
type system struct {
	cpu        cpu
	cpuRAM     int64 // MB
	disk       float64
	diskBW     float64
	diskName   string
	cuda       float64
	driver     string
	driverVers int64
	os         string
	vms        bool
}

type network struct {
	place     *string // nil: the API doesn't know
	country   string
	ip        string
	ipPadded  bool // the API serves some addresses with a space behind
	staticIP  bool
	down, up  float64 // Mb/s
	downCost  float64 // dollars per GB
	upCost    float64
	portCount int64
}

// terms are what the host asks and how far he is trusted.
type terms struct {
	verification string
	datacenter   bool
	reliability  float64
	perGPU       float64 // dollars per hour
	bidPerGPU    float64 // 0: not for bids
	storageCost  float64 // dollars per GB and month
	discountMax  float64
	listedDays   float64 // before the market's birth; 0: the API doesn't say
	endDays      float64 // from the birth; then listed again for as long
}

func newMachine(seed uint64, index int) *machine {
	d := newDice(seed, fmt.Sprintf("machine %d", index))
	m := &machine{
		index:    index,
		id:       12_000 + int64(index)*97 + d.Int64N(90),
		host:     80_000 + d.Int64N(int64(machines))*11,
		bundle:   1_000_000_000 + d.Int64N(1_000_000_000),
		model:    pickModel(d, index),
		firstGPU: 700_000 + int64(index)*32,
	}
	m.fillGPUs(d)
	m.network = newNetwork(d, m)
	m.system = newSystem(d, m)
	m.terms = newTerms(d, m)
	m.rent(d)
	return m
}

// daemonPort is where the host's daemon listens for copies.
func (m *machine) daemonPort() int64 { return 20_000 + int64(m.index)*7 }

// pickModel gives every model one machine, and the rest by market share.
func pickModel(d dice, index int) *gpu {
	if index < len(catalogue) {
		return &catalogue[index]
	}
	weights := make([]float64, len(catalogue))
	for i, g := range catalogue {
		weights[i] = g.weight
	}
	return &catalogue[d.pick(weights...)]
}

func (m *machine) fillGPUs(d dice) {
	m.ram = m.model.ram
	if m.model.computeCap > 0 {
		m.computeCap = &m.model.computeCap
	}
	m.gpus = gpuCount(d, m.model)
	m.chunk = min([]int{1, 2, 4, 8}[d.pick(70, 10, 8, 12)], m.gpus)
	m.dlperf = round(m.model.tflops*perfPerTFLOPS(m.model)*d.between(0.95, 1.05), 2)
	m.memBW = round(m.model.bandwidth*d.between(0.94, 1), 1)
	gen := 3
	if m.model.computeCap >= 800 {
		gen = 4 + d.pick(70, 30)
	}
	m.pciGen = float64(gen)
	m.lanes = one(d, int64(16), 16, 16, 16, 8, 4)
	m.pcieBW = round([]float64{12, 25, 52}[gen-3]*float64(m.lanes)/16*d.between(0.8, 1), 1)
	if m.model.hyperscale() && m.gpus > 1 {
		m.nvlink = one(d, 300.0, 600, 900)
	}
}

// hyperscale models come in racks of eight, linked.
func (g *gpu) hyperscale() bool {
	return slices.Contains([]string{"H100 SXM", "H200", "B200", "A100 SXM4"}, g.name)
}

// serverClass models sit in data centres, beside big processors.
func (g *gpu) serverClass() bool { return g.typical >= 0.55 || g.name == "L4" || g.name == "Tesla T4" }

func gpuCount(d dice, g *gpu) int {
	if g.hyperscale() {
		return []int{1, 2, 4, 8}[d.pick(6, 6, 8, 80)]
	}
	return []int{1, 2, 4, 6, 8, 3, 5, 7, 10, 12}[d.pick(40, 15, 18, 4, 20, 1, 0.5, 0.5, 0.5, 0.5)]
}

// perfPerTFLOPS is how the API's deep-learning score grows by generation.
func perfPerTFLOPS(g *gpu) float64 {
	switch cc := g.computeCap; {
	case cc == 1000:
		return 8
	case cc == 1200 && g.ram > 40_000:
		return 2.38
	case cc == 1200:
		return 1.84
	case cc == 900:
		return 4.93
	case cc == 890:
		return 1.18
	case cc == 860:
		return 1.12
	case cc == 800:
		return 4.4
	case cc == 700:
		return 2
	case cc == 750:
		return 1.3
	default:
		return 0.7
	}
}

// rent lets a part of the machine to someone else, for good. The first
// machine of every model stays free.
func (m *machine) rent(d dice) {
	if m.index < len(catalogue) || !d.chance(0.3) {
		return
	}
	sizes := m.sliceSizes()
	size := sizes[d.IntN(len(sizes))]
	m.rented = [2]int{d.IntN(m.gpus/size) * size, size}
}

// sliceSizes are the powers of two from the host's smallest chunk up, and the
// whole machine.
func (m *machine) sliceSizes() []int {
	var sizes []int
	for size := ceilPowerOfTwo(m.chunk); size < m.gpus; size *= 2 {
		sizes = append(sizes, size)
	}
	return append(sizes, m.gpus)
}

func ceilPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

func newTerms(d dice, m *machine) terms {
	t := terms{
		verification: []string{"verified", "unverified", "deverified"}[d.pick(75, 23, 2)],
		datacenter:   d.chance(0.12),
		storageCost:  one(d, 0.1, 0.4/3, 0.15, 0.2, 0.8/3, 1.0/3),
		discountMax:  one(d, 0.0, 0, 0.2, 0.4, 0.4, 0.5),
		listedDays:   one(d, 0.0, 1, 1, 1, 1, 1, 1, 1, 1, 1) * d.between(3, 400),
		endDays:      min(max(d.lognormal(30, 2, 365), 0.5), 720),
	}
	if m.model.serverClass() {
		t.datacenter = d.chance(0.45)
	}
	t.reliability = reliability(d, t.verification)
	t.perGPU = t.price(d, m)
	t.bidPerGPU = t.floor(d, m.model)
	return t
}

func reliability(d dice, verification string) float64 {
	switch {
	case verification == "verified":
		return round(1-min(d.lognormal(0.005, 0.0008, 0.035), 0.12), 7)
	case d.chance(0.3):
		return round(d.between(0.6, 0.75), 7) // new to the market
	default:
		return round(1-min(d.lognormal(0.03, 0.006, 0.15), 0.4), 7)
	}
}

// price is the host's list price in round steps, with the market's share on
// top, within what the model is let for.
func (t terms) price(d dice, m *machine) float64 {
	g := m.model
	want := d.lognormal(g.typical, g.low, g.high)
	if t.verification == "verified" {
		want *= 1.05
	} else {
		want *= 0.91
	}
	if t.datacenter {
		want *= 1.1
	}
	if t.reliability < 0.98 {
		want *= 0.9
	}
	share := 0.75
	if t.datacenter && m.gpus == 8 && d.chance(0.3) {
		share = 0.95
	}
	hostStep := 0.01
	if want*share >= 1 {
		hostStep = 0.05
	}
	lowest, highest := math.Ceil(g.low*share/hostStep-1e-9), math.Floor(g.high*share/hostStep+1e-9)
	return min(max(math.Round(want*share/hostStep), lowest), highest) * hostStep / share
}

// floor is the least bid per GPU.
func (t terms) floor(d dice, g *gpu) float64 {
	switch d.pick(87, 10, 3) {
	case 0:
		return round(min(max(t.perGPU*d.between(0.4, 0.65), g.bidLow), g.bidHigh), 3)
	case 1:
		return round(t.perGPU*d.between(1, 1.6), 3)
	default:
		return 0
	}
}
