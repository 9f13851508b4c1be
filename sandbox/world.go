package sandbox

import (
	"math"
	"slices"
	"time"
)

// machines is how many stand in the market.
const machines = 400

// world is what follows from the seed alone: machines and what is offered of
// them.
type world struct {
	seed   uint64
	offers []*ask
	asks   map[int64]*ask
}

// ask offers one slice of a machine.
type ask struct {
	id    int64
	m     *machine
	first int // GPU of the machine
	gpus  int
	frac  float64
	worth float64 // what the default order multiplies performance per dollar by
	fixed offerRow
}

func newWorld(seed uint64) *world {
	w := &world{seed: seed, asks: map[int64]*ask{}}
	for index := range machines {
		m := newMachine(seed, index)
		id := 21_000_000 + int64(index)*1024 + m.bundle%900
		for _, size := range m.sliceSizes() {
			for first := 0; first+size <= m.gpus; first += size {
				a := &ask{id: id, m: m, first: first, gpus: size, frac: float64(size) / float64(m.gpus)}
				a.worth = math.Pow(m.reliability, 4) * math.Log10(max(m.down, 10))
				a.describe()
				w.offers = append(w.offers, a)
				w.asks[id] = a
				id++
			}
		}
	}
	return w
}

// gpuNames are the names that the API knows, in order.
func gpuNames() []string {
	names := slices.Clone(rareNames)
	for _, g := range catalogue {
		names = append(names, g.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// rentedByOthers is true where somebody else has one of the GPUs.
func (a *ask) rentedByOthers() bool {
	first, n := a.m.rented[0], a.m.rented[1]
	return first < a.first+a.gpus && a.first < first+n
}

// base is the price on demand, in dollars per hour.
func (a *ask) base() float64 { return a.m.perGPU * float64(a.gpus) }

// ends is until when the offer holds. Hosts list their machines anew when the
// time is over, for as long again.
func (a *ask) ends(born, now time.Time) time.Time {
	term := time.Duration(a.m.endDays * 24 * float64(time.Hour)).Truncate(time.Second)
	over := max(now.Sub(born), 0) / term
	return born.Add((over + 1) * term)
}

// claim is what a rental of ours does to the offers of its machine.
type claim struct {
	ask         int64
	first, gpus int
	bid         float64
	disk        float64
	holds       bool
	until       time.Time // zero for ours
}

// claims are our rentals by machine, as the request found them.
func (t *tx) claims() map[int][]claim {
	if t.claimed == nil {
		t.claimed = map[int][]claim{}
		for _, c := range t.st.Contracts {
			t.claimed[c.Machine] = append(t.claimed[c.Machine], c.claims()...)
		}
		for _, v := range t.st.Account.Volumes {
			t.claimed[v.Machine] = append(t.claimed[v.Machine], claim{disk: v.Size})
		}
		if t.m.live {
			t.tenants(t.claimed)
		}
	}
	return t.claimed
}

func (c *contract) claim() claim {
	return claim{ask: c.Ask, first: c.First, gpus: c.GPUs, bid: c.Bid, disk: c.Disk, holds: c.holds()}
}

// claims are the rental's, and that of who has its GPUs instead.
func (c *contract) claims() []claim {
	if c.Rival == nil {
		return []claim{c.claim()}
	}
	return []claim{c.claim(), c.Rival.claim(c)}
}

// standing is what our rentals leave of an offer.
type standing struct {
	taken   bool    // by someone who can't be outbid
	mine    bool    // rented by us
	topBid  float64 // of ours on these GPUs
	diskOut float64 // GB of the machine that are let
}

func (a *ask) standing(claims []claim) standing {
	s := standing{taken: a.rentedByOthers()}
	for _, c := range claims {
		s.diskOut += c.disk
		s.mine = s.mine || c.ask == a.id
		if !c.holds || c.first >= a.first+a.gpus || a.first >= c.first+c.gpus {
			continue
		}
		if c.bid == 0 {
			s.taken = true
		}
		s.topBid = max(s.topBid, c.bid)
	}
	return s
}

// outbid is how much more than the top bid the next one must be.
const outbid = 0.001

// minBid is the price that wins the GPUs now; 0 where bids are not taken.
func (a *ask) minBid(s standing) float64 {
	floor := round(a.m.bidPerGPU*float64(a.gpus), 6)
	if floor > 0 && s.topBid > 0 {
		return round(max(floor, s.topBid+outbid), 6)
	}
	return floor
}

// freeDisk is the slice's share of what isn't let, in GB.
func (a *ask) freeDisk(s standing) float64 {
	return round(max(a.m.disk-s.diskOut, 0)*a.frac, 3)
}
