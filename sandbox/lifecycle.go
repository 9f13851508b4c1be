package sandbox

import (
	"slices"
	"time"
)

// advance plays the market up to now: steps of containers, ends of contracts
// and the moment when the money is gone, in the order of time. Advancing in
// several strides ends in the same state as in one.
func (st *state) advance(now time.Time) {
	for {
		due, found := st.nextDue(now)
		horizon := now
		if found {
			horizon = due.at
		}
		if st.anyWanted() {
			if at, broke := st.brokeBy(horizon); broke {
				st.At = at
				st.haltAll(at)
				continue
			}
		}
		if !found {
			break
		}
		st.At = due.at
		due.happen(st)
		st.serveQueue(due.at)
	}
	st.At = now
}

// due is something that happens to a contract at a moment.
type due struct {
	at time.Time
	c  *contract
}

// nextDue is the earliest thing to happen up to a moment; of two at once the
// older contract's.
func (st *state) nextDue(limit time.Time) (due, bool) {
	var first due
	for _, c := range st.Contracts {
		at, found := c.nextAt()
		if !found || at.After(limit) {
			continue
		}
		if first.c == nil || at.Before(first.at) {
			first = due{at: at, c: c}
		}
	}
	if first.c != nil && first.at.Before(st.At) {
		first.at = st.At
	}
	return first, first.c != nil
}

func (c *contract) nextAt() (time.Time, bool) {
	switch {
	case c.holds() && (len(c.Plan) == 0 || !c.Plan[0].At.Before(c.Ends)):
		return c.Ends, true
	case len(c.Plan) > 0:
		return c.Plan[0].At, true
	default:
		return time.Time{}, false
	}
}

func (d due) happen(st *state) {
	if d.c.holds() && !d.at.Before(d.c.Ends) {
		st.halt(d.c, d.at)
		return
	}
	next := d.c.Plan[0].Phase
	d.c.Plan = d.c.Plan[1:]
	st.enter(d.c, next, d.at)
}

// enter changes the phase, and the meters with it.
func (st *state) enter(c *contract, p phase, at time.Time) {
	billed := c.billsGPU()
	c.Phase, c.Since = p, at
	switch {
	case p == created:
		c.Pulled = true
	case p == abandoned:
		c.Intended = wantStopped
	case !billed && c.billsGPU():
		st.openMeter(c.ID, gpuMeter, c.Rates.GPU, at)
		st.openMeter(c.ID, downloadMeter, c.Rates.Download, at)
		st.openMeter(c.ID, uploadMeter, c.Rates.Upload, at)
	case billed && !c.billsGPU():
		st.closeMeters(c.ID, at, gpuMeter, downloadMeter, uploadMeter)
	}
}

// start wants the instance running and reports whether its GPUs were to be
// had; otherwise it waits for them in a queue.
func (st *state) start(c *contract, at time.Time) bool {
	if c.Intended == wantRunning {
		return true
	}
	if !c.holds() && !st.free(c, at) {
		if c.Queued.IsZero() {
			c.Queued = at
		}
		return false
	}
	c.Queued = time.Time{}
	c.Intended = wantRunning
	switch c.Phase {
	case running:
		c.Plan = nil // it was about to stop
	case rebooting:
		c.Plan = []step{{At: at.Add(restartMost), Phase: running}}
	default:
		st.evict(c, at)
		c.boot(st.Seed, at)
	}
	return true
}

// stop wants the instance stopped, which takes it some seconds, and takes it
// out of the queue.
func (st *state) stop(c *contract, at time.Time) {
	c.Queued = time.Time{}
	if c.Intended == wantStopped {
		return
	}
	c.Intended = wantStopped
	if c.Phase == exited || c.Phase == pullFailed {
		c.Plan = nil
		st.serveQueue(at)
		return
	}
	c.Plan = []step{{At: at.Add(c.dice(st.Seed, "stop").duration(stopLeast, stopMost)), Phase: exited}}
	st.serveQueue(at)
}

// reboot restarts the container, which keeps its GPUs.
func (st *state) reboot(c *contract, at time.Time) {
	c.Boots++
	st.enter(c, rebooting, at)
	c.Plan = []step{{At: at.Add(c.dice(st.Seed, "reboot").duration(restartLeast, restartMost)), Phase: running}}
}

// halt stops an instance at once: outbid, out of time or out of money.
func (st *state) halt(c *contract, at time.Time) {
	c.Queued, c.Intended, c.Plan = time.Time{}, wantStopped, nil
	if c.Phase != exited {
		st.enter(c, exited, at)
	}
}

func (st *state) haltAll(at time.Time) {
	for _, c := range st.Contracts {
		if c.holds() || !c.Queued.IsZero() {
			st.halt(c, at)
		}
	}
}

func (st *state) anyWanted() bool {
	return slices.ContainsFunc(st.Contracts, func(c *contract) bool { return c.holds() || !c.Queued.IsZero() })
}

// destroy ends the contract. Its meters stay in the ledger.
func (st *state) destroy(c *contract, at time.Time) {
	st.closeMeters(c.ID, at, gpuMeter, diskMeter, downloadMeter, uploadMeter)
	st.Contracts = slices.DeleteFunc(st.Contracts, func(o *contract) bool { return o == c })
	st.Past = append(st.Past, c.past())
	st.serveQueue(at)
}

// serveQueue starts who waits for GPUs that are free, longest waiting first.
func (st *state) serveQueue(at time.Time) {
	var waiting []*contract
	for _, c := range st.Contracts {
		if !c.Queued.IsZero() {
			waiting = append(waiting, c)
		}
	}
	slices.SortStableFunc(waiting, func(a, b *contract) int { return a.Queued.Compare(b.Queued) })
	for _, c := range waiting {
		if st.free(c, at) {
			st.start(c, at)
		}
	}
}

// free tells whether the contract could have its GPUs now.
func (st *state) free(c *contract, at time.Time) bool {
	if c.Blocked || !at.Before(c.Ends) {
		return false
	}
	for _, o := range st.Contracts {
		if o != c && o.holds() && o.overlaps(c.Machine, c.First, c.GPUs) && !outranks(c.Bid, o.Bid) {
			return false
		}
	}
	return true
}

// outranks tells whether one price takes the GPUs of another: a higher bid
// does, and on demand (0) takes those of any bid.
func outranks(bid, other float64) bool { return other > 0 && (bid == 0 || bid > other) }

// evict stops whom the contract outranks.
func (st *state) evict(c *contract, at time.Time) {
	for _, o := range st.Contracts {
		if o != c && o.holds() && o.overlaps(c.Machine, c.First, c.GPUs) {
			st.halt(o, at)
		}
	}
}
