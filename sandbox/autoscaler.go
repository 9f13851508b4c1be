package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The autoscaler rents when something is asked of the market, and lets go
// then and whenever load lapses. So it needs no ticking, and what it does
// follows from what was asked and when.

// worker is an instance that the autoscaler rented.
type worker struct {
	ID       int64   `json:"id"`
	Perf     float64 `json:"perf"` // load that it can take
	Requests int64   `json:"requests,omitempty"`
}

// event is a line of a workergroup's log.
type event struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

const maxEvents = 200

func (g *workergroup) note(at time.Time, format string, args ...any) {
	g.Events = append(g.Events, event{at, fmt.Sprintf(format, args...)})
	g.Events = g.Events[max(len(g.Events)-maxEvents, 0):]
}

// scaleEndpoint brings all workergroups of an endpoint to what is wanted now.
func (t *tx) scaleEndpoint(e *endpoint) {
	groups := t.st.Serverless.groupsOf(e.ID)
	for _, g := range groups {
		t.scale(g, g.target(e, len(groups), t.now))
	}
}

func (t *tx) scale(g *workergroup, want target) {
	t.st.forgetLost(g, t.now)
	if !want.enough(g.Workers) {
		t.recruit(g, want)
	}
	t.st.settle(g, want, t.now)
	t.claimed = nil
}

// forgetLost takes workers off the books that were destroyed by hand, and
// destroys those whose time on their machine is over.
func (st *state) forgetLost(g *workergroup, at time.Time) {
	g.Workers = slices.DeleteFunc(g.Workers, func(w *worker) bool {
		c := st.contract(w.ID)
		if c != nil && !at.Before(c.Ends) {
			g.note(at, "worker %d: DESTROYING, its offer has ended", w.ID)
			st.destroy(c, at)
			return true
		}
		return c == nil
	})
}

// recruit rents the cheapest offers that fit until there is enough.
func (t *tx) recruit(g *workergroup, want target) {
	offers, err := t.recruits(g)
	if err != nil {
		g.note(t.now, "workergroup %d: can't search: %v", g.ID, err)
		return
	}
	refusal := ""
	for _, offer := range offers {
		if want.enough(g.Workers) {
			return
		}
		if msg := t.rentWorker(g, offer); msg != "" {
			refusal = ": " + msg
		}
	}
	if !want.enough(g.Workers) {
		g.note(t.now, "workergroup %d: no more offers to rent, %d workers of at most %d%s", g.ID, len(g.Workers), want.most, refusal)
	}
}

// recruits are the offers that the workergroup may rent, cheapest first.
func (t *tx) recruits(g *workergroup) ([]offerRow, error) {
	s, _, err := parseSearch(g.search())
	if err != nil {
		return nil, err
	}
	return t.find(s), nil
}

// rentWorker rents an offer like anybody would, or returns why not. The
// worker pulls its image and then stops, until it is wanted running.
func (t *tx) rentWorker(g *workergroup, offer offerRow) string {
	t.claimed = nil
	a := t.rent(offer.ID, g.request())
	var out struct {
		ID  int64 `json:"new_contract"`
		Msg string
	}
	_ = json.Unmarshal(a.body, &out) // it was just encoded
	if t.st.contract(out.ID) == nil {
		return out.Msg
	}
	g.Workers = append(g.Workers, &worker{ID: out.ID, Perf: round(max(offer.DLPerf, 1), 2)})
	g.note(t.now, "worker %d: CREATING on machine %d, %d x %s at $%.3f/hour", out.ID, offer.MachineID, offer.NumGPUs, offer.GPUName, offer.DPHTotal)
	return ""
}

// settle lets workers go that are too many, starts the first of the others
// as the load needs, and stops the rest.
func (st *state) settle(g *workergroup, want target, at time.Time) {
	for n := len(g.Workers); n > 0 && want.enough(g.Workers[:n-1]); n = len(g.Workers) {
		last := g.Workers[n-1]
		g.Workers = g.Workers[:n-1]
		if c := st.contract(last.ID); c != nil {
			st.destroy(c, at)
			g.note(at, "worker %d: DESTROYING, not needed any more", last.ID)
		}
	}
	capacity := 0.0
	for i, w := range g.Workers {
		c := st.contract(w.ID)
		if c == nil {
			continue
		}
		warm := capacity < want.warm || (want.one && i == 0)
		capacity += w.Perf
		st.setWorker(g, c, warm, at)
	}
}

func (st *state) setWorker(g *workergroup, c *contract, warm bool, at time.Time) {
	switch {
	case warm == (c.Intended == wantRunning):
	case !warm:
		st.stop(c, at)
		g.note(at, "worker %d: STOPPING, load has fallen", c.ID)
	case st.credit(at) > 0 && st.start(c, at):
		g.note(at, "worker %d: STARTING", c.ID)
	}
}

// hourlySpend is what the workers cost now, in dollars per hour.
func (st *state) hourlySpend(g *workergroup) float64 {
	rate := int64(0)
	for _, w := range g.Workers {
		for _, m := range st.Meters {
			if m.Instance == w.ID && m.End.IsZero() {
				rate += m.Rate
			}
		}
	}
	return float64(rate) / 1e9
}
