package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// leaseWorld is one schedule of leases as it plays.
type leaseWorld struct {
	tale

	program leaseProgram
	dir     string
	market  *sandbox.Market
	door    *vast.Client // to the market, past all weather
	realm   string
	offers  []vast.Offer

	mu       lock
	calm     bool
	over     bool
	dark     bool   // nobody starts anything
	outage   string // what befalls every request; empty: nothing
	restored time.Time
	seen     map[string]int // requests by operation
	armed    map[int64]func()
	posts    []*post
	desks    []*layer
	tenants  []*tenant
	byID     map[int64]*tenant
	launched []*layer
}

// tenant is one machine, and what the program promised of it.
type tenant struct {
	plan rentPlan
	id   int64 // zero: not rented yet

	nonces   []string
	until    time.Time // the latest that the program ever wrote
	asked    time.Time // the latest that an extension was asked for
	granted  time.Time // when the last lease was
	destroys bool
	released time.Time // when somebody asked for it; zero: nobody did
	edited   bool      // by hand, since its lease was written
	doubted  bool      // it may be stopped for more than the end of its lease
	raised   time.Time // when its price was; zero: it was not

	there, runs bool
	label       string
	labelAt     time.Time // when that was first seen
	runsAt      time.Time // since when it runs, or rests
}

// written takes down a lease that the program wrote.
func (t *tenant) written(l *layer, label string, call *leaseCall) {
	_, tail, ok := rental.ParseLabel(label)
	now := time.Now()
	switch {
	case !ok:
		return
	case call != nil && (call.tool == "create_instance" || call.tool == "start_instance"):
		t.nonces = append(t.nonces, tail.Nonce)
		t.until, t.asked, t.granted, t.destroys, t.edited, t.released = tail.Until, tail.Until, now, tail.OnExpiry == rental.OnExpiryDestroy, false, time.Time{}
		return
	case call != nil && call.tool == "label_instance", !slices.Contains(t.nonces, tail.Nonce):
		return // it keeps what was there
	}
	if until := earlier(tail.Until, t.asked); until.After(t.until) {
		t.until, t.granted = until, now
	}
	if call != nil || l.knows() && tail.OnExpiry == rental.OnExpiryDestroy {
		t.destroys = tail.OnExpiry == rental.OnExpiryDestroy
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// newLeaseWorld opens the market, hires the agents' processes and rents.
func newLeaseWorld(p leaseProgram, dir string) *leaseWorld {
	w := &leaseWorld{
		tale: tale{began: time.Now()}, program: p, dir: dir, mu: newLock(), calm: true,
		seen: map[string]int{}, armed: map[int64]func(){}, byID: map[int64]*tenant{},
	}
	var err error
	w.market, err = sandbox.Open(sandbox.Options{Speed: 1, Seed: 1 + p.seed%5, Credit: 1000})
	w.must(err)
	w.door, err = vast.NewClient(w.market.Key(), vast.WithBaseURL(w.market.Origin()), vast.WithTransport(w.market.Transport()))
	w.must(err)
	user, err := w.door.Account.Current(context.Background())
	w.must(err)
	w.realm = rental.RealmOf(w.door.Origin(), user)
	w.chooseOffers()
	for _, folder := range []string{mainJournal, brokenFolder + "/journal.db"} {
		w.must(makeFolder(w.dir, folder))
	}
	for i := range 2 {
		w.desks = append(w.desks, w.launch(fmt.Sprintf("agent%d", i), layerPlan{journal: mainJournal}, nil, 0))
	}
	return w
}

// chooseOffers picks cheap offers on machines of their own, which take bids.
func (w *leaseWorld) chooseOffers() {
	found, err := w.door.Offers.Search(context.Background(), vast.OfferQuery{Filter: vast.Filter{}.With("num_gpus", "eq", 1), DiskGB: 10})
	w.must(err)
	for _, o := range found {
		again := slices.ContainsFunc(w.offers, func(other vast.Offer) bool { return other.MachineID == o.MachineID })
		if !again && o.DiskSpaceGB >= 50 && o.Rentable && o.MinBid > 0 && o.PerHour < mostPerHour/2 {
			w.offers = append(w.offers, o)
		}
	}
}

// rentAll rents what is to be rented.
func (w *leaseWorld) rentAll() {
	for i, plan := range w.program.rents {
		t := &tenant{plan: plan}
		w.tenants = append(w.tenants, t)
		if plan.byHand {
			id, err := w.door.Instances.Create(context.Background(), w.offers[i].ID, vast.CreateInstance{Image: "a/b", DiskGB: 10, Label: "by hand", RunType: "ssh"})
			w.must(err)
			t.id = int64(id)
			w.mu.Lock()
			w.byID[t.id] = t
			w.mu.Unlock()
			continue
		}
		args := fmt.Sprintf(`{"offer_id":%d,"image":"a/b","disk_gb":10,"lease_hours":%g,"on_expiry":%q,"label":"m%d"`, w.offers[i].ID, plan.hours, plan.onExpiry, i)
		if plan.bid {
			args += fmt.Sprintf(`,"bid_dollars_per_hour":%g`, w.offers[i].MinBid*1.3)
		}
		w.ask(w.desks[0], "create_instance", args+"}", &leaseCall{rent: t})
		if t.id == 0 {
			panic(fmt.Sprintf("nothing was rented\n%s", strings.Join(w.trace, "\n")))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn()
	w.calm = false
}

// learn reads what there is at the market. The caller holds mu.
func (w *leaseWorld) learn() {
	rows, err := w.door.Instances.All(context.Background())
	w.must(err)
	now := time.Now()
	for _, t := range w.tenants {
		i := slices.IndexFunc(rows, func(row vast.Instance) bool { return int64(row.ID) == t.id })
		if t.there = i >= 0; !t.there {
			t.runs = false
			continue
		}
		row := rows[i]
		if runs := rental.Running(row); runs != t.runs || t.runsAt.IsZero() {
			t.runs, t.runsAt = runs, now
			w.tell("  instance %d runs: %t", t.id, runs)
		}
		if row.Label != t.label || t.labelAt.IsZero() {
			t.label, t.labelAt = row.Label, now
		}
	}
}

// raise is what somebody does at the console who wants a bid to win.
func (w *leaseWorld) raise(t *tenant) {
	body := bytes.NewReader([]byte(`{"price":3}`))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, fmt.Sprintf("%s/api/v0/instances/bid_price/%d/", w.market.Origin(), t.id), body)
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+w.market.Key())
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.market.Transport().RoundTrip(req)
	w.must(err)
	said, _ := io.ReadAll(resp.Body)
	w.tell("the bid for %d is raised: %s", t.id, said)
	if resp.StatusCode == http.StatusOK {
		t.raised = later(t.raised, time.Now())
	}
}
