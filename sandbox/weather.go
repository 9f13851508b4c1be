package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// What can become of a rental, beside the mishaps that an image can ask for. A
// market that lives draws one for each, and a fault on create names one.
const (
	vanishes mishap = "vanish" // the order is answered and never becomes an instance
	lateRow  mishap = "hidden" // reads don't find it at first
	slowPull mishap = "slow"   // the image takes up to an hour
	isOutbid mishap = "outbid" // a rival takes the GPUs of a bid, and leaves again
	isTaken  mishap = "taken"  // whenever it is stopped, somebody takes the GPUs for a while
)

// fates are what a fault can name.
func fates() []mishap {
	return []mishap{deadHost, noStart, shortRun, lostHost, vanishes, lateRow, slowPull, isOutbid, isTaken}
}

// How often things happen in a market that lives.
const (
	unlucky   = 0.057          // share of rentals that drawFate draws one for
	unseen    = 0.25           // share that reads don't find at once
	taking    = 0.3            // chance that the GPUs of a stopped one are taken
	keptFor   = 48 * time.Hour // after the contract's end
	untilAway = 200 * day      // on average, until a host goes offline
	untilBid  = 4 * time.Hour  // likewise, until a rival comes
)

// Kinds of turns.
const (
	comeRival  = "rival"
	leaveRival = "rival_leaves"
	loseHost   = "lost_host"
	expire     = "expire"
)

// turn is something that the market has in store for a rental.
type turn struct {
	At   time.Time     `json:"at"`
	What string        `json:"what"`
	Bid  float64       `json:"bid,omitempty"` // of a rival, in dollars per hour; 0 is on demand
	For  time.Duration `json:"for,omitempty"` // how long it lasts
}

// rival is somebody else who wants the same GPUs, and has them unless the
// contract outranks him.
type rival struct {
	Bid   float64   `json:"bid"`
	Until time.Time `json:"until"`
}

// beats is true where the contract can't have its GPUs for the rival.
func (r *rival) beats(c *contract) bool { return r != nil && !outranks(c.Bid, r.Bid) }

func (r *rival) claim(c *contract) claim {
	return claim{first: c.First, gpus: c.GPUs, bid: r.Bid, holds: !c.holds() || r.Bid > 0, until: r.Until}
}

func (e turn) sound() bool {
	return sane(e.At) && e.For >= 0 && e.For <= farthest && e.Bid >= 0 && e.Bid <= 1e9
}

func (c *contract) expect(e turn) {
	c.Turns = append(c.Turns, e)
	slices.SortStableFunc(c.Turns, func(a, b turn) int { return a.At.Compare(b.At) })
}

// mishap is what the market, or else the image, has chosen for the rental.
func (c *contract) mishap() mishap { return cmp.Or(c.Fate, c.Launch.mishap()) }

// foretell settles what will become of a new rental: the given fate or, in a
// market that lives, one drawn for it. In calm weather nothing does.
func (c *contract) foretell(seed uint64, fate mishap, m *machine) {
	d := newDice(seed, fmt.Sprintf("weather %d", c.ID))
	if c.Live {
		c.Pull = pullBySize(newDice(seed, "image "+c.Launch.Image), d, m)
		c.liveOn(d)
		if fate == noMishap {
			fate = drawFate(d, m)
		}
	}
	c.Fate = fate
	if c.Rival != nil {
		c.expect(turn{At: c.Rival.Until, What: leaveRival})
	}
	switch fate {
	case lateRow:
		c.Seen = c.Created.Add(d.duration(3*time.Second, 15*time.Second))
	case slowPull:
		c.Pull = d.duration(20*time.Minute, time.Hour)
	case isOutbid:
		c.expect(turn{
			At: c.Created.Add(d.duration(10*time.Minute, 20*time.Minute)), What: comeRival,
			Bid: round(c.Bid*1.25, 6), For: d.duration(15*time.Minute, 45*time.Minute),
		})
	default: // the others show while it boots
	}
}

// liveOn is what any rental in a market that lives has ahead.
func (c *contract) liveOn(d dice) {
	if d.chance(unseen) {
		c.Seen = c.Created.Add(d.duration(time.Second, 8*time.Second))
	}
	c.expect(turn{At: c.Created.Add(d.exponential(untilAway)), What: loseHost, For: d.duration(5*time.Minute, 6*time.Hour)})
	c.expect(turn{At: c.Ends.Add(keptFor), What: expire})
	if c.Bid > 0 {
		c.expect(c.nextRival(d, c.Created))
	}
}

// drawFate is a bad one more often where nobody has verified the host.
func drawFate(d dice, m *machine) mishap {
	share := unlucky
	if m.verification != "verified" {
		share *= 2
	}
	if !d.chance(share) {
		return noMishap
	}
	return []mishap{deadHost, noStart, vanishes, slowPull}[d.pick(27, 10, 5, 15)]
}

// nextRival bids against a bid, or rents on demand.
func (c *contract) nextRival(d dice, from time.Time) turn {
	e := turn{At: from.Add(d.exponential(untilBid)), What: comeRival, For: d.duration(10*time.Minute, 3*time.Hour)}
	if d.chance(0.7) {
		e.Bid = round(c.Bid*d.between(0.7, 1.4), 6)
	}
	return e
}

// pullBySize is how long an image of some gigabytes takes over the machine's
// line and onto its disk; some hosts have it already.
func pullBySize(image, d dice, m *machine) time.Duration {
	if d.chance(0.15) {
		return d.duration(time.Second, 5*time.Second)
	}
	gb := min(max(image.lognormal(6, 2, 15), 0.2), 30)
	seconds := gb * 8000 / min(max(m.down, 20), 5000) * (1 + 500/m.diskBW)
	return min(time.Duration(seconds*float64(time.Second)), time.Hour).Truncate(time.Millisecond)
}

// take lets a turn happen to a rental.
func (st *state) take(c *contract, e turn, at time.Time) {
	switch e.What {
	case comeRival:
		st.meetRival(c, e, at)
	case leaveRival:
		if c.Rival != nil && !at.Before(c.Rival.Until) {
			c.Rival = nil
		}
	case loseHost:
		if c.Phase == running && c.Intended == wantRunning {
			st.enter(c, unheard, at)
			c.Plan = []step{{At: at.Add(offlineAfter), Phase: offline}, {At: at.Add(offlineAfter + e.For), Phase: running}}
		}
	case expire:
		if gone := c.Ends.Add(keptFor); at.Before(gone) {
			c.expect(turn{At: gone, What: expire}) // it was extended meanwhile
		} else {
			st.destroy(c, at)
		}
	}
}

// meetRival loses the GPUs to who outranks the contract, until he leaves: a
// bid then goes on by itself.
func (st *state) meetRival(c *contract, e turn, at time.Time) {
	if c.Live && c.Bid > 0 {
		c.expect(c.nextRival(c.dice(st.Seed, fmt.Sprintf("rival %d", at.Unix())), at.Add(e.For)))
	}
	if c.holds() && c.Bid == 0 {
		return
	}
	c.Rival = &rival{Bid: e.Bid, Until: at.Add(e.For)}
	c.expect(turn{At: c.Rival.Until, What: leaveRival})
	if c.holds() && outranks(e.Bid, c.Bid) {
		st.halt(c, at)
		c.Queued = at
	}
}

// leaveGPUs lets somebody else have what a stopped rental doesn't use.
func (st *state) leaveGPUs(c *contract, at time.Time) {
	d := c.dice(st.Seed, "leave")
	if c.Fate == isTaken || (c.Live && d.chance(taking)) {
		c.expect(turn{At: at.Add(d.duration(30*time.Second, 2*time.Minute)), What: comeRival, For: d.duration(20*time.Minute, 2*time.Hour)})
	}
}
