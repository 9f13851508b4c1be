package faults_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// offers is how many of them the agents choose from.
const offers = 4

// world is one schedule as it plays.
type world struct {
	tale

	program program
	market  *sandbox.Market
	door    *vast.Client                                // to the market, past all weather; hold mu
	open    func(now func() time.Time) *journal.Journal // the one that all share
	own     *journal.Journal
	realm   string
	rents   []string // arguments of the rentals that agents want, one for each offer
	offerOf map[string]int64
	spare   []vast.OfferID
	over    chan struct{}

	looking lock
	intents intents // as they were last seen

	mu       lock
	calm     bool
	seen     map[string]int // requests by operation
	orders   []*order
	machines map[int64]*machine
	starts   map[*request]bool // on their way
	doomed   map[int64]bool    // that somebody asked to destroy
	crew     [2]*process
	launched []*process
	runs     [2]int
	calls    int
}

// lock is a mutex that lets the time of the bubble go on while it is waited for.
type lock chan struct{}

func newLock() lock    { return make(lock, 1) }
func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// order is one order on the wire.
type order struct {
	call     int
	nonce    string
	offer    int64
	by       string
	flying   bool // it may still take effect
	status   int  // of its answer; 0: none
	missed   bool // the call looked, and the list lagged
	machines []int64
}

// machine is what the ledger knows.
type machine struct {
	id      int64
	order   *order // nil: somebody rented it by hand
	there   bool
	listed  bool
	runs    bool
	rate    usd.Amount
	anew    bool      // it was started under a lease of its own, and is no longer what its order rented
	started time.Time // the last start that took effect
	stopped time.Time // likewise
}

// policy is the owner's.
func (w *world) policy() guard.Policy {
	p := guard.Policy{MaxInstances: new(w.program.instances), DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}
	if w.program.perHour > 0 {
		p.MaxTotalPerHour = new(usd.Ceil(w.program.perHour))
	}
	return p
}

// newWorld opens the market and the journal.
func newWorld(p program, open func(now func() time.Time) *journal.Journal) *world {
	w := &world{
		tale: tale{began: time.Now()}, program: p, open: open, looking: newLock(), mu: newLock(), over: make(chan struct{}), seen: map[string]int{},
		machines: map[int64]*machine{}, starts: map[*request]bool{}, doomed: map[int64]bool{}, offerOf: map[string]int64{},
	}
	var err error
	w.market, err = sandbox.Open(sandbox.Options{Speed: 1, Seed: 1 + p.seed%5})
	w.must(err)
	w.door, err = vast.NewClient(w.market.Key(), vast.WithBaseURL(w.market.Origin()), vast.WithTransport(w.market.Transport()))
	w.must(err)
	user, err := w.door.Account.Current(context.Background())
	w.must(err)
	w.realm = rental.RealmOf(w.door.Origin(), user)
	w.own = open(time.Now)
	w.chooseOffers()
	if p.byHand {
		w.rentByHand()
	}
	return w
}

// rentByHand makes a machine that is nobody's business here: it is the oldest,
// which is what an answer names that names a wrong one.
func (w *world) rentByHand() {
	ctx := context.Background()
	id, err := w.door.Instances.Create(ctx, w.spare[1], vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
	w.must(err)
	<-time.After(10 * time.Minute)
	w.must(w.door.Instances.Stop(ctx, id))
	<-time.After(time.Minute)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn(nil)
}

// chooseOffers picks cheap offers on machines of their own.
func (w *world) chooseOffers() {
	found, err := w.door.Offers.Search(context.Background(), vast.OfferQuery{Filter: vast.Filter{}.With("num_gpus", "eq", 1), DiskGB: 10})
	w.must(err)
	var hosts []vast.MachineID
	for _, o := range found {
		if slices.Contains(hosts, o.MachineID) || o.DiskSpaceGB < 50 || !o.Rentable {
			continue
		}
		if len(w.rents) == offers {
			w.spare = append(w.spare, o.ID)
			hosts = append(hosts, o.MachineID)
			continue
		}
		hosts = append(hosts, o.MachineID)
		args := fmt.Sprintf(`{"offer_id":%d,"image":"a/b","disk_gb":10}`, o.ID)
		w.rents = append(w.rents, args)
		w.offerOf[args] = int64(o.ID)
	}
}

// note takes down a request that a process sends. The caller holds mu.
func (w *world) note(p *process, r *request) {
	weather := ""
	if len(r.weather) > 0 {
		weather = " in weather " + strings.Join(r.weather, ", ")
	}
	w.tell("%s sends %s %d%s%s", p.name, r.op, r.id, labelled(r.label), weather)
	switch {
	case r.op == "create" && !slices.Contains(r.weather, "dial"):
		_, tail, _ := rental.ParseLabel(r.label)
		r.order = &order{call: r.call, nonce: tail.Nonce, offer: r.id, by: p.name, flying: true}
		for _, o := range w.orders {
			if o.nonce == tail.Nonce {
				w.wrong("a second order for nonce %s, by %s after %s", tail.Nonce, p.name, o.by)
			}
		}
		if state := w.intents.get(tail.Nonce).State; state != journal.Sent && state != journal.Unknown {
			w.wrong("%s orders for intent %s, which is %s", p.name, tail.Nonce, state)
		}
		w.orders = append(w.orders, r.order)
	case r.op == "start":
		w.starts[r] = true
	case r.op == "destroy":
		if m := w.machines[r.id]; !w.doomed[r.id] && (m == nil || m.order == nil || w.intents.get(m.order.nonce).State != journal.Undoing) {
			w.wrong("%s deletes instance %d, which nobody asked for", p.name, r.id)
		}
	}
}

func labelled(label string) string {
	if label == "" {
		return ""
	}
	return fmt.Sprintf(" %q", label)
}

// finish notes that a request had no effect and will have none.
func (w *world) finish(r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.starts, r)
	if r.order != nil {
		r.order.flying = false
	}
	w.tell("  %s %d never arrives", r.op, r.id)
}

// effect notes what became of a request at the market. The caller holds mu.
func (w *world) effect(p *process, r *request, status int) {
	delete(w.starts, r)
	if r.op == "get" || r.op == "list" || r.op == "user" || r.op == "search" {
		w.tell("  %s's %s %d: %d", p.name, r.op, r.id, status)
		for _, o := range w.orders {
			if r.op == "list" && o.call == r.call && slices.ContainsFunc(o.machines, func(id int64) bool { return !w.machines[id].listed }) {
				o.missed = true
			}
		}
		return
	}
	before := len(w.machines)
	now := time.Now()
	if m := w.machines[r.id]; m != nil && r.op == "start" {
		m.started = now
	} else if m != nil && r.op == "stop" {
		m.stopped = now
	}
	if r.order != nil {
		r.order.flying, r.order.status = false, status
	}
	w.learn(r.order)
	made := ""
	if r.order != nil && len(w.machines) > before {
		made = fmt.Sprintf(", instances %v rented", r.order.machines)
	}
	w.tell("  %s's %s %d at the market: %d%s", p.name, r.op, r.id, status, made)
}

// learn reads the ledger, and what there is of each machine in it. New ones are
// by that order, or by hand. The caller holds mu.
func (w *world) learn(by *order) {
	entries, err := w.market.Ledger()
	w.must(err)
	for _, e := range entries {
		if e.InstanceID != 0 && w.machines[e.InstanceID] == nil {
			w.machines[e.InstanceID] = &machine{id: e.InstanceID, order: by, there: true, runs: true, rate: usd.Ceil(e.DollarsPerHour)}
			if by != nil {
				by.machines = append(by.machines, e.InstanceID)
			}
		}
	}
	rows, err := w.door.Instances.All(context.Background())
	w.must(err)
	for _, m := range w.machines {
		i := slices.IndexFunc(rows, func(row vast.Instance) bool { return int64(row.ID) == m.id })
		switch {
		case i >= 0:
			row := rows[i]
			m.listed, m.runs, m.rate = true, rental.Running(row), usd.Ceil(row.PerHour)
			_, tail, leased := rental.ParseLabel(row.Label)
			m.anew = m.anew || leased && m.order != nil && tail.Nonce != m.order.nonce
		case m.listed || m.there && !w.hidden(m):
			m.listed, m.there, m.runs = false, false, false
		}
	}
}

// hidden reports whether a machine that no list has is there all the same.
func (w *world) hidden(m *machine) bool {
	entries, err := w.market.Ledger()
	w.must(err)
	return slices.ContainsFunc(entries, func(e sandbox.Entry) bool { return e.InstanceID == m.id && e.Kind == "disk" && e.End.IsZero() })
}

// known is the machines that are there and were ordered, in order of their ids.
func (w *world) known() (all []*machine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn(nil)
	for _, m := range w.machines {
		if m.there && m.order != nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *machine) int { return int(a.id - b.id) })
	return all
}

var errReadOnly = errors.New("only looking")

// look reads the journal, tells what moved, judges what was admitted, and
// reports whether anything was, which is to be ordered now.
func (w *world) look() (granted bool) {
	w.looking.Lock()
	defer w.looking.Unlock()
	now := map[string]journal.Intent{}
	err := w.own.Tx(context.Background(), w.realm, func(tx *journal.Tx) error {
		open, err := tx.Counting()
		if err != nil {
			return err
		}
		for _, in := range open {
			now[in.Nonce] = in
		}
		for nonce, old := range w.intents.all() {
			if _, open := now[nonce]; !open && (old.State.Counts() || w.ending()) {
				if in, found, err := tx.Intent(nonce); err != nil {
					return err
				} else if found {
					now[nonce] = in
				}
			}
		}
		return errReadOnly
	})
	if !errors.Is(err, errReadOnly) {
		w.must(err)
	}
	for nonce, in := range now {
		old := w.intents.get(nonce)
		known := old.Nonce != ""
		if !known || old.State != in.State {
			w.tell("  intent %s (%s, instance %d): %s -> %s %s", nonce, in.Kind, in.Instance, old.State, in.State, in.Why)
		}
		w.intents.put(in)
		if !known {
			w.admitted(in)
			granted = granted || in.Kind != guard.KindAct && in.State == journal.Prepared
		}
	}
	return granted
}

func (w *world) ending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}
