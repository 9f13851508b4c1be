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
		spent, horizon := st.depositSpent(horizon)
		if at, broke := st.brokeBy(horizon); broke {
			st.At = at
			st.haltUnpaid(at)
			continue
		}
		if spent != nil {
			st.At = horizon
			st.endDiscount(spent, horizon)
			continue
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

// due is something that happens to a contract at a moment, or to what scales
// by itself.
type due struct {
	at time.Time
	c  *contract
	by lapse // instead of c
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
	for _, next := range []func() (time.Time, lapse){st.Serverless.nextLapse, st.Account.nextLapse} {
		if at, by := next(); by != nil && !at.After(limit) && (first == due{} || at.Before(first.at)) {
			first = due{at: latest(at, st.At), by: by}
		}
	}
	return first, first != due{}
}

func (c *contract) nextAt() (time.Time, bool) {
	at, found := c.nextStep()
	if len(c.Turns) > 0 && (!found || !at.Before(c.Turns[0].At)) {
		return c.Turns[0].At, true
	}
	return at, found
}

func (c *contract) nextStep() (time.Time, bool) {
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
	if d.by != nil {
		d.by.lapse(st, d.at)
		return
	}
	if len(d.c.Turns) > 0 && !d.c.Turns[0].At.After(d.at) {
		e := d.c.Turns[0]
		d.c.Turns = d.c.Turns[1:]
		st.take(d.c, e, d.at)
		return
	}
	if d.c.holds() && !d.at.Before(d.c.Ends) {
		st.halt(d.c, d.at)
		return
	}
	next := d.c.Plan[0].Phase
	d.c.Plan = d.c.Plan[1:]
	if next == reaped {
		st.destroy(d.c, d.at)
		return
	}
	st.enter(d.c, next, d.at)
}

// enter changes the phase, and the meters with it.
func (st *state) enter(c *contract, p phase, at time.Time) {
	billed, wasOffline := c.billsGPU(), c.Phase == offline
	c.Phase, c.Since = p, at
	switch p {
	case created:
		c.Pulled = true
	case abandoned, unstarted:
		c.Intended = wantStopped
	default:
	}
	switch {
	case !billed && c.billsGPU():
		st.charge(c, at, gpuMeter, downloadMeter, uploadMeter)
	case billed && !c.billsGPU():
		st.closeMeters(c.ID, at, gpuMeter, downloadMeter, uploadMeter)
	}
	if p == offline {
		st.closeMeters(c.ID, at, diskMeter)
	} else if wasOffline {
		st.charge(c, at, diskMeter)
	}
}

// start wants the instance running and reports whether its GPUs were to be
// had; otherwise it waits for them in a queue.
func (st *state) start(c *contract, at time.Time) bool {
	if c.Intended == wantRunning && c.Phase != finished {
		return true
	}
	if !c.holds() && !st.winnable(c, at) {
		if c.Queued.IsZero() {
			c.Queued = at
		}
		return false
	}
	c.Queued = time.Time{}
	c.Intended = wantRunning
	switch c.Phase {
	case unheard, offline:
		c.Plan[len(c.Plan)-1].Phase = running // when the host is back
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
	st.leaveGPUs(c, at)
	switch {
	case c.isDown() || c.Phase == pullFailed:
		c.Plan = nil
	case c.hostGone():
		c.Plan[len(c.Plan)-1].Phase = exited // when the host is back
	default:
		c.Plan = []step{{At: at.Add(c.dice(st.Seed, "stop").duration(stopLeast, stopMost)), Phase: exited}}
	}
	st.serveQueue(at)
}

// reboot restarts the container, which keeps its GPUs.
func (st *state) reboot(c *contract, at time.Time) {
	c.Boots++
	st.enter(c, rebooting, at)
	c.Plan = []step{{At: at.Add(c.dice(st.Seed, "reboot").duration(restartLeast, restartMost)), Phase: running}}
}

// recycle makes the container anew from a freshly pulled image, on the same
// GPUs.
func (st *state) recycle(c *contract, at time.Time) {
	st.enter(c, recycling, at)
	c.Pulled, c.Removed = false, nil
	c.boot(st.Seed, at)
}

// halt stops an instance at once: outbid, out of time or out of money.
func (st *state) halt(c *contract, at time.Time) {
	c.Queued, c.Intended, c.Plan = time.Time{}, wantStopped, nil
	if c.Phase != exited {
		st.enter(c, exited, at)
	}
}

// haltUnpaid stops everything that no deposit pays for.
func (st *state) haltUnpaid(at time.Time) {
	for _, c := range st.Contracts {
		if c.wanted() && st.depositLeft(c, at) == 0 {
			st.halt(c, at)
		}
	}
}

// destroy ends the contract. Its meters stay in the ledger.
func (st *state) destroy(c *contract, at time.Time) {
	st.closeMeters(c.ID, at, gpuMeter, diskMeter, downloadMeter, uploadMeter)
	st.settleDeposit(c, at)
	st.Contracts = slices.DeleteFunc(st.Contracts, func(o *contract) bool { return o == c })
	st.Past = append(st.Past, c.past())
	st.Jobs = slices.DeleteFunc(st.Jobs, func(j job) bool { return j.Instance == c.ID })
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
		if st.winnable(c, at) {
			st.start(c, at)
		}
	}
}

// winnable tells whether the contract could have its GPUs now, for what it
// pays.
func (st *state) winnable(c *contract, at time.Time) bool { return c.bidsEnough() && st.free(c, at) }

// free tells whether the contract could have its GPUs now.
func (st *state) free(c *contract, at time.Time) bool {
	if c.Blocked || !at.Before(c.Ends) || c.Rival.beats(c) {
		return false
	}
	for _, o := range st.Contracts {
		if o == c || !o.overlaps(c.Machine, c.First, c.GPUs) {
			continue
		}
		if o.holds() && !outranks(c.Bid, o.Bid) || !o.holds() && o.Rival.beats(c) {
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
