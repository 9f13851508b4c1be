package faults_test

import (
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/server"
	"vast-mcp/rental"
)

const (
	// patience is how long a machine may run past its lease, or past the return of
	// whatever kept it from being ended.
	patience = 5 * time.Minute
	// lookEvery is how often the market is looked at.
	lookEvery = 50 * time.Second
	grace     = time.Minute
)

// keepWatch looks at the market again and again.
func (w *leaseWorld) keepWatch() {
	for {
		<-time.After(lookEvery)
		w.mu.Lock()
		if w.over {
			w.mu.Unlock()
			return
		}
		if w.outage == "" && !w.dark {
			w.learn()
			w.inspect()
		}
		w.mu.Unlock()
	}
}

// inspect compares what runs with what should, for each layer that has been
// able to do something about it.
func (w *leaseWorld) inspect() {
	for _, po := range w.posts {
		since, knows, slack, ok := po.works()
		if !ok || w.outage != "" {
			continue
		}
		since = later(since, w.restored)
		for _, t := range w.tenants {
			if !t.there || t.id == 0 || !t.released.IsZero() {
				continue
			}
			due, writes := t.due(knows)
			able := later(later(since, t.labelAt), t.runsAt)
			overdue := time.Since(later(able, due))
			_, _, leased := rental.ParseLabel(t.label)
			switch {
			case t.runs && !due.IsZero() && overdue > patience+slack:
				w.wrong("instance %d runs though its lease ended at %v, and the %s has been at work for %v", t.id, clock(due), po.plan.kind, time.Since(able))
			case writes && !t.doubted && time.Now().Before(t.until) && time.Since(later(since, t.labelAt)) > patience+slack:
				w.wrong("instance %d has lost its lease to %q, and the %s does not put it back", t.id, t.label, po.plan.kind)
			case t.runs && knows && !t.doubted && !t.raised.IsZero() && (!leased || t.ownLease()) && time.Since(later(able, t.raised)) > 3*time.Minute+slack:
				w.wrong("instance %d runs at a price over the cap, and the %s lets it", t.id, po.plan.kind)
			}
		}
	}
}

func clock(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

// works is since when the layer could do its work, whether it has the journal
// that rentals are written in, and how much later it may be than one that
// looks each minute.
func (po *post) works() (since time.Time, knows bool, slack time.Duration, ok bool) {
	switch {
	case po.away:
		return since, false, 0, false
	case po.plan.kind == cronLayer:
		since, slack = po.up, cronEvery+grace
		if po.now != nil {
			at, alive := po.now.works()
			since, ok = later(since, at), alive || po.now.isDead()
		}
		return since, po.plan.journal == mainJournal, slack, ok
	case po.now == nil:
		return since, false, 0, false
	}
	since, ok = po.now.works()
	return since, po.now.knows(), 0, ok
}

// due is when a layer ends the lease at the latest; zero: never. writes says
// that it has to put the lease back into the label before.
func (t *tenant) due(knows bool) (at time.Time, writes bool) {
	_, tail, ok := rental.ParseLabel(t.label)
	if t.plan.byHand {
		return at, false // a copied lease may end it, and need not
	}
	latest := time.Now().Add(mostLease)
	if knows && t.ownLease() {
		latest = later(t.granted.Add(mostLease-grace), t.until)
	}
	switch {
	case ok && !tail.Until.After(latest):
		return later(tail.Until, t.until), false
	case knows:
		return later(t.until, t.asked), !ok || t.ownLease()
	}
	return at, false
}

// ownLease reports whether the label carries a lease that was made for this
// machine.
func (t *tenant) ownLease() bool {
	_, tail, ok := rental.ParseLabel(t.label)
	return ok && slices.Contains(t.nonces, tail.Nonce)
}

// spared says why the layer must not destroy the machine; it is empty when it
// may. What only a label tells, only a journal can contradict.
func (w *leaseWorld) spared(l *layer, t *tenant) string {
	_, tail, _ := rental.ParseLabel(t.label)
	until, destroys := t.until, t.destroys
	switch {
	case !l.knows() && t.edited:
		until, destroys = tail.Until, tail.OnExpiry == rental.OnExpiryDestroy
	case tail.Until.After(until) && tail.Until.Before(t.granted.Add(mostLease)):
		until = tail.Until
	}
	switch now := time.Now(); {
	case t.plan.byHand:
		return "it was rented by hand"
	case !t.ownLease():
		return "its label is not its own"
	case !destroys:
		return "it was to be stopped"
	case now.Before(until):
		return "its lease ends at " + clock(until)
	case w.copied(t):
		return "its lease is another's too"
	}
	return ""
}

// copied reports whether another machine carries the same lease, and not only
// since a moment ago.
func (w *leaseWorld) copied(t *tenant) bool {
	_, tail, _ := rental.ParseLabel(t.label)
	return slices.ContainsFunc(w.tenants, func(other *tenant) bool {
		_, its, ok := rental.ParseLabel(other.label)
		return other != t && other.there && ok && its.Nonce == tail.Nonce && time.Since(other.labelAt) > grace
	})
}

// judgeRequest judges what a layer is about to do by itself. The caller holds mu.
func (w *leaseWorld) judgeRequest(l *layer, r *request) {
	t := w.byID[r.id]
	switch r.op {
	case "destroy", "stop", "label", "start", "destroy_many":
	default:
		return
	}
	_, _, leased := rental.ParseLabel(t.label)
	freed := strings.HasSuffix(t.label, "[vm-released]") && time.Since(t.labelAt) > grace
	switch {
	case t.plan.byHand && !leased, freed:
		w.wrong("%s sends %s for instance %d, whose label is %q", l.name, r.op, t.id, t.label)
	case r.op == "start", r.op == "destroy_many":
		w.wrong("%s sends %s", l.name, r.op)
	case r.op == "stop" && !t.plan.byHand && !t.edited && !t.doubted && t.raised.IsZero() && time.Now().Before(t.until):
		w.wrong("%s stops instance %d, whose lease ends at %v", l.name, t.id, clock(t.until))
	case r.op == "destroy":
		w.judgeDestroy(l, t)
	}
}

func (w *leaseWorld) judgeDestroy(l *layer, t *tenant) {
	look := l.looked[t.id]
	l.mu.Lock()
	held := l.resume.After(look.at)
	l.mu.Unlock()
	switch {
	case time.Since(look.at) > 45*time.Second && !held:
		w.wrong("%s destroys instance %d without a look at it", l.name, t.id)
	case look.spared != "":
		w.wrong("%s destroys instance %d, and %s", l.name, t.id, look.spared)
	}
}

// judgeRound judges what a reaper says of one round.
func (l *layer) judgeRound(r server.Round) {
	l.w.mu.Lock()
	shared := l.post.plan.journal == mainJournal
	l.w.mu.Unlock()
	if shared || r.Err == nil {
		l.beat = nil // others may write there too
		return
	}
	at := l.lastBeat()
	if l.beat != nil && !at.Equal(*l.beat) {
		l.w.wrong("%s says that it works, and cannot read the list", l.name)
	}
	l.beat = &at
}

// judgeReaped judges a run of the cron reaper that says that nothing is left.
func (l *layer) judgeReaped(r server.Round) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn()
	if r.Err != nil || len(r.Left) > 0 {
		return
	}
	if l.lists == 0 {
		w.wrong("%s says that nothing is left, and had no list", l.name)
	}
	const lag = 20 * time.Second
	before := l.listed.Add(-lag)
	for _, t := range w.tenants {
		_, tail, ok := rental.ParseLabel(t.label)
		past := ok && !tail.Until.Add(grace).After(before) && !t.labelAt.After(before)
		switch {
		case !t.there || !past:
		case t.runs && !t.runsAt.After(before):
			w.wrong("%s says that nothing is left, and instance %d runs", l.name, t.id)
		case l.knows() && !t.edited && w.spared(l, t) == "":
			w.wrong("%s says that nothing is left, and instance %d is there", l.name, t.id)
		}
	}
}

// finish mends everything, and goes from the end of one lease to that of the
// next, until all are over.
func (w *leaseWorld) finish() {
	w.mu.Lock()
	w.calm = true
	if w.outage != "" {
		w.restore()
	}
	for _, po := range w.posts {
		po.plan.journal = w.program.journalOf(po.plan.kind)
	}
	for range 40 {
		w.learn()
		next := w.nextEnd()
		if next.IsZero() {
			break
		}
		if nap := time.Until(next) - grace; nap > patience {
			w.darken()
			w.sleep(nap)
		}
		w.rouse()
		w.sleep(max(0, time.Until(next)) + 2*grace)
		w.untilQuiet()
	}
	w.rouse()
	w.untilQuiet()
	w.learn()
	w.inspect()
	w.over = true
	w.darken()
	for _, l := range w.desks {
		l.cancel()
	}
	w.mu.Unlock()
}

// untilQuiet waits until nothing runs past its lease, or for longer than it may.
func (w *leaseWorld) untilQuiet() {
	for range 8 {
		w.sleep(2 * grace)
		w.learn()
		w.inspect()
		if !slices.ContainsFunc(w.tenants, func(t *tenant) bool {
			due, _ := t.due(true)
			return t.there && t.runs && t.released.IsZero() && !due.IsZero() && time.Now().After(due)
		}) {
			return
		}
	}
}

// sleep lets go of mu for a while.
func (w *leaseWorld) sleep(d time.Duration) {
	w.mu.Unlock()
	<-time.After(d)
	w.mu.Lock()
}

// nextEnd is when the next lease ends of what runs; zero: none does.
func (w *leaseWorld) nextEnd() (next time.Time) {
	for _, t := range w.tenants {
		if due, _ := t.due(true); t.there && t.runs && t.released.IsZero() && time.Now().Before(due) && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}
