package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// In a market that lives, others rent and leave, and hosts change their
// prices. Both follow from the seed and the time, so nobody's looking changes
// them, and who looks from a calm process sees a calm market.
const (
	stayLeast, stayMost = 30 * time.Minute, 3 * time.Hour
	occupied            = 0.25 // share of the time that a machine has a tenant
	bidding             = 0.3  // share of tenants that can be outbid
	repricing           = 6 * time.Hour
)

// tenant is who has GPUs of the machine now, beside those who stay for good.
func (m *machine) tenant(seed uint64, now time.Time) (claim, bool) {
	stay := newDice(seed, fmt.Sprintf("stay %d", m.index)).duration(stayLeast, stayMost)
	shift := now.UnixNano() / int64(stay)
	d := newDice(seed, fmt.Sprintf("tenant %d %d", m.index, shift))
	if !d.chance(occupied) {
		return claim{}, false
	}
	sizes := m.sliceSizes()
	size := sizes[d.IntN(len(sizes))]
	who := claim{first: d.IntN(m.gpus/size) * size, gpus: size, holds: true, until: time.Unix(0, (shift+1)*int64(stay)).UTC()}
	if m.bidPerGPU > 0 && d.chance(bidding) {
		who.bid = round(m.bidPerGPU*float64(size)*d.between(1, 1.5), 6)
	}
	return who, true
}

// markup is what the host multiplies his price with for some hours.
func (m *machine) markup(seed uint64, now time.Time) float64 {
	shift := (now.Unix() + int64(m.index)*977) / int64(repricing/time.Second)
	d := newDice(seed, fmt.Sprintf("markup %d %d", m.index, shift))
	if d.chance(0.6) {
		return 1
	}
	return round(d.between(0.85, 1.2), 2)
}

// tenants adds those who have GPUs that no rental of ours holds.
func (t *tx) tenants(claims map[int][]claim) {
	for _, a := range t.world.offers {
		if a.frac < 1 {
			continue // a machine is offered whole once
		}
		ours := claims[a.m.index]
		if who, ok := a.m.tenant(t.st.Seed, t.now); ok && !slices.ContainsFunc(ours, func(c claim) bool { return c.holds && c.overlaps(who.first, who.gpus) }) {
			claims[a.m.index] = append(ours, who)
		}
	}
}

func (c claim) overlaps(first, gpus int) bool { return c.first < first+gpus && first < c.first+c.gpus }

// occupant is the tenant that a new rental of the offer has to wait for, or
// to outrank; nil where there is none.
func (t *tx) occupant(a *ask) *rival {
	for _, c := range t.claims()[a.m.index] {
		if !c.until.IsZero() && c.overlaps(a.first, a.gpus) {
			return &rival{Bid: c.bid, Until: c.until}
		}
	}
	return nil
}

// price is what the offer costs on demand now, in dollars per hour.
func (v view) price(a *ask) float64 {
	if !v.live {
		return a.base()
	}
	return round(a.base()*a.m.markup(v.seed, v.now), 4)
}

// snatched tells how the API refuses an offer that somebody took since it was
// shown: with any of three statuses.
func (t *tx) snatched(id int64) answer {
	status := http.StatusGone
	if t.m.live {
		d := newDice(t.st.Seed, fmt.Sprintf("snatched %d %d", id, t.now.UnixNano()))
		status = []int{http.StatusGone, http.StatusNotFound, http.StatusBadRequest}[d.pick(60, 20, 20)]
	}
	return offerGone(status, "no_such_ask", id, fmt.Sprintf("error %d/3907: no_such_ask Instance type %d is no longer available.", status, id))
}
