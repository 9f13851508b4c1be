package guard

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// mostUnwritten bounds what is kept in memory; the oldest goes first.
const mostUnwritten = 64

// unwritten keeps the quotes that the journal, out of order, could not take, so
// that the answer to a question finds what was asked. Only what ends something
// is ever in it. It is safe for concurrent use.
type unwritten struct {
	mu  sync.Mutex
	all []loose // oldest first
}

// loose is a quote that stands nowhere but in memory.
type loose struct {
	Quote

	call Call
}

func (l loose) is(realm string, c Call, p Plan, now time.Time) bool {
	same := l.realm == realm && l.call.Caller == c.Caller && l.call.Tool == c.Tool && bytes.Equal(l.call.Args, c.Args)
	return same && now.Before(l.ExpiresAt) && l.Plan.covers(p)
}

// quote finds the quote of a call that covers p, or makes it.
func (u *unwritten) quote(realm string, c Call, p Plan, now time.Time) Quote {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.IndexFunc(u.all, func(l loose) bool { return l.is(realm, c, p, now) }); i >= 0 {
		return u.all[i].Quote
	}
	q := Quote{ID: newQuoteID(), Plan: p, Most: p.Most(), ExpiresAt: now.Add(quoteLife), Unwritten: true, realm: realm}
	if len(u.all) >= mostUnwritten {
		u.all = slices.Delete(u.all, 0, 1)
	}
	u.all = append(u.all, loose{Quote: q, call: c})
	return q
}

// change edits a quote that still waits. It fails with ErrNotWaiting.
func (u *unwritten) change(id string, now time.Time, edit func(*Quote)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.find(id, now)
	if i < 0 {
		return ErrNotWaiting
	}
	edit(&u.all[i].Quote)
	return nil
}

// take removes a quote that still waits and is as it should be. It fails with
// ErrNotWaiting.
func (u *unwritten) take(id string, now time.Time, as func(Quote) bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.find(id, now)
	if i < 0 || !as(u.all[i].Quote) {
		return ErrNotWaiting
	}
	u.all = slices.Delete(u.all, i, i+1)
	return nil
}

func (u *unwritten) find(id string, now time.Time) int {
	return slices.IndexFunc(u.all, func(l loose) bool { return l.ID == id && now.Before(l.ExpiresAt) })
}

// quoteUnwritten quotes what ends something while the journal is out of order.
// Who rented a target is not known then, so its label decides.
func (g *Guard) quoteUnwritten(realm string, c Call, p Plan) (Quote, error) {
	p = p.disown(func(int64) bool { return false })
	if p.Free {
		return Quote{ID: newQuoteID(), Plan: p, ExpiresAt: g.now().Add(quoteLife), Mode: g.mode, Unwritten: true, Ready: true, realm: realm}, nil
	}
	q := g.loose.quote(realm, c, p, g.now())
	if c.Named != "" && (g.mode != Model || c.Named != q.ID) {
		return Quote{}, ErrOtherCall
	}
	q.Mode, q.Asks = g.mode, g.mode != Operator
	if c.Named == "" && (g.mode != Auto || p.foreign()) {
		return q, nil
	}
	return g.answerUnwritten(q, true)
}

// answerUnwritten notes the answer to q. A no is forgotten together with its
// quote: the same call may be asked about again, for it ends something.
func (g *Guard) answerUnwritten(q Quote, yes bool) (Quote, error) {
	q.Ready = false
	if !yes {
		return q, g.loose.take(q.ID, g.now(), func(Quote) bool { return true })
	}
	err := g.loose.change(q.ID, g.now(), func(kept *Quote) { kept.Ready = true })
	q.Ready = err == nil
	return q, err
}

// redeemUnwritten gives leave once, without a record.
func (g *Guard) redeemUnwritten(q Quote, grant *Grant) (*Grant, error) {
	grant.plan = grant.plan.disown(func(int64) bool { return false })
	if grant.plan.Effect != Destroy {
		return nil, ErrNotWaiting
	}
	if grant.plan.Free {
		return grant, nil
	}
	err := g.loose.take(q.ID, g.now(), func(kept Quote) bool { return kept.Ready && kept.Plan.covers(grant.plan) })
	if err != nil {
		return nil, err
	}
	return grant, nil
}
