package faults_test

import (
	"context"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// admitted judges a grant at the moment at which it was given: by the ledger and
// what is on its way, no limit may be passed.
func (w *world) admitted(in journal.Intent) {
	if in.Kind == guard.KindAct {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn(nil)
	n, rate := 1, in.Rate
	for _, m := range w.machines {
		own := m.order != nil && m.order.nonce == in.Nonce || m.id == in.Instance && in.Kind == guard.KindStart
		copied := m.order != nil && m.order.machines[0] != m.id // by a proxy: nobody granted it
		if m.runs && !own && !copied {
			n, rate = n+1, rate.Add(m.rate)
		}
	}
	for _, o := range w.orders {
		if o.flying && len(o.machines) == 0 && o.nonce != in.Nonce {
			n, rate = n+1, rate.Add(w.intents.get(o.nonce).Rate)
		}
	}
	for r := range w.starts {
		if m := w.machines[r.id]; m != nil && !m.runs && r.id != in.Instance {
			n, rate = n+1, rate.Add(m.rate)
		}
	}
	if n > w.program.instances {
		w.wrong("intent %s makes %d instances where %d are allowed", in.Nonce, n, w.program.instances)
	}
	if w.program.perHour > 0 && rate > usd.Ceil(w.program.perHour) {
		w.wrong("intent %s makes %v/h where $%g are allowed", in.Nonce, rate, w.program.perHour)
	}
}

// judge compares what was said with the ledger.
func (w *world) judge(c call, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn(nil)
	m := w.machines[c.about]
	switch {
	case c.tool == "list_instances":
	case c.tool == "create_instance" && a.Status == tool.Done:
		w.judgeRented(c, a)
	case c.tool == "create_instance" && (a.deniesEffect() || a.failure != nil && w.ordered(c)):
		w.judgeNotRented(c, a)
	case c.tool == "start_instance" && a.Status == tool.Done && !m.runs && m.stopped.Before(c.began) && !w.doomed[m.id]:
		w.wrong("%d was said to be started, and it does not run", m.id)
	case c.tool == "start_instance" && a.deniesEffect() && m.there && m.runs && m.started.After(c.began) && m.stopped.Before(m.started):
		w.wrong("%d was said not to be started (%v), and it runs", m.id, a)
	case c.tool == "stop_instance" && a.Status == tool.Done && m.runs && m.started.Before(c.began):
		w.wrong("%d was said to be stopped, and it runs", m.id)
	case c.tool == "destroy_instance" && a.Status == tool.Done && m.there:
		w.wrong("%d was said to be gone, and it is there", m.id)
	}
}

// deniesEffect reports whether the answer says that nothing was done. One that
// only says that this call failed, or that it is not known yet, does not.
func (a answer) deniesEffect() bool {
	if a.failure == nil {
		return a.Status == tool.ApprovalNeeded || a.Status == tool.Declined
	}
	return slices.Contains([]tool.Code{tool.OfferGone, tool.NotRented, tool.GPUsTaken, tool.OverPolicy, tool.OtherCall}, a.failure.Code)
}

// ordered reports whether this very call sent its order: then any failure says
// that nothing was rented.
func (w *world) ordered(c call) bool {
	return !c.cancelled && slices.ContainsFunc(w.orders, func(o *order) bool { return o.call == c.n })
}

func (w *world) judgeRented(c call, a answer) {
	m := w.machines[a.InstanceID]
	switch {
	case m == nil || m.order == nil || m.order.offer != w.offerOf[c.args]:
		w.wrong("instance %d was said to be rented, and no such order made it", a.InstanceID)
	case !m.there && !w.doomed[m.id]:
		w.wrong("instance %d was said to be rented, and it is gone", a.InstanceID)
	}
}

func (w *world) judgeNotRented(c call, a answer) {
	for _, o := range w.orders {
		if o.offer != w.offerOf[c.args] {
			continue
		}
		if o.flying {
			w.wrong("%v was said, and order %s is on its way", a, o.nonce)
		}
		for _, id := range o.machines {
			m := w.machines[id]
			// A proxy that repeats an order and a list that lags make the answer of
			// the call that ordered wrong; never a later one.
			lagging := o.missed && o.call == c.n && o.status >= 300 && o.status < 500
			if m.there && !m.anew && !lagging && w.intents.get(o.nonce).State != journal.Undoing {
				w.wrong("%v was said, and order %s made instance %d", a, o.nonce, id)
			}
		}
	}
}

// settle lets the program find out about all that is open, in calm weather.
func (w *world) settle() {
	w.mu.Lock()
	w.calm = true
	for _, p := range w.crew {
		p.mu.Lock()
		p.armed = nil
		p.mu.Unlock()
	}
	w.mu.Unlock()
	w.tell("calm")
	<-time.After(2 * time.Minute) // what is late arrives
	for round, quiet := 0, 0; round < 40 && quiet < 3; round++ {
		for who := range 2 {
			p := w.living(who)
			settled, open, err := p.app.Settle(context.Background())
			w.tell("%s settles %v, open are %v: %v", p.name, settled, open, err)
		}
		w.look()
		quiet++
		for _, in := range w.intents.all() {
			if in.Kind != guard.KindAct && in.State.Counts() && in.State != journal.Rented {
				quiet = 0
			}
		}
		<-time.After(61 * time.Second)
	}
}

// count is the zeros, once everything is quiet.
func (w *world) count() {
	w.look()
	running := w.countMachines()
	w.countQuotes()
	w.checkJournal()
	<-time.After(3 * time.Hour) // whoever took the GPUs of a stopped one leaves
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn(nil)
	for id, m := range w.machines {
		if m.runs && !running[id] {
			w.wrong("instance %d, which was stopped, wakes up", id)
		}
	}
}

// countMachines compares the ledger with the journal.
func (w *world) countMachines() (running map[int64]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn(nil)
	running = map[int64]bool{}
	rented, named := map[int64]bool{}, map[int64]bool{}
	for nonce, in := range w.intents.all() {
		named[in.Instance] = true
		switch {
		case in.Kind == guard.KindAct:
		case in.State == journal.Rented:
			rented[in.Instance] = true
			if m := w.machines[in.Instance]; m == nil || !m.there {
				w.wrong("intent %s is rented as instance %d, which is not there", nonce, in.Instance)
			}
		case in.State.Counts():
			w.wrong("intent %s is still %s: %s", nonce, in.State, in.Why)
		}
	}
	for id, m := range w.machines {
		running[id] = m.runs
		// One that is stopped holds no place; that the journal names it will do.
		if m.there && m.order != nil && !rented[id] && (m.runs || !named[id]) {
			w.wrong("instance %d of order %s is in the ledger, and the journal knows of none", id, m.order.nonce)
		}
		if m.order == nil && !m.there && !w.doomed[id] {
			w.wrong("instance %d, rented by hand, was destroyed", id)
		}
	}
	for _, o := range w.orders {
		alive := slices.DeleteFunc(slices.Clone(o.machines), func(id int64) bool { return !w.machines[id].there || w.extra(w.machines[id]) && !w.machines[id].runs })
		if len(alive) > 1 {
			w.wrong("order %s has instances %v", o.nonce, alive)
		}
	}
	return running
}

// extra reports whether the machine was made beside another one by its order.
// One that is old is only stopped.
func (w *world) extra(m *machine) bool { return len(m.order.machines) > 1 }

// countQuotes: a quote sends one order, and one more only after a refusal to
// take any.
func (w *world) countQuotes() {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := map[string]*order{}
	for _, o := range w.orders {
		in := w.intents.get(o.nonce)
		if in.Nonce == "" {
			w.wrong("order %s has no intent", o.nonce)
			continue
		}
		if before := sent[in.Quote]; before != nil && (before.status != 429 || len(before.machines) > 0) {
			w.wrong("quote %s sent order %s after %s", in.Quote, o.nonce, before.nonce)
		}
		sent[in.Quote] = o
	}
}

// checkJournal reads the chain of events, which no two processes may fork.
func (w *world) checkJournal() {
	for _, err := range w.own.Events(context.Background(), w.realm) {
		if err != nil {
			w.wrong("the journal: %v", err)
		}
	}
}
