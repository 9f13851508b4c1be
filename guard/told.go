package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// Untold says that an earlier order of the same caller was carried out, or is
// being settled, and that the answer to it was lost on the way. It is said once,
// instead of renting another machine.
type Untold struct {
	Instance int64 // zero: not known yet
	Nonce    string
	PerHour  usd.Amount // if it runs
	Late     bool       // it had been given up
}

func (u *Untold) Error() string {
	switch {
	case u.Instance == 0:
		return fmt.Sprintf("an earlier order of yours is still being settled: a machine may run for it at %s/h; its nonce is %s", u.PerHour, u.Nonce)
	case u.Late:
		return fmt.Sprintf("an earlier order of yours turned up after it had been given up: instance %d at %s/h", u.Instance, u.PerHour)
	}
	return fmt.Sprintf("an earlier order of yours was carried out, and its answer was lost: instance %d at %s/h", u.Instance, u.PerHour)
}

const (
	// toldWithin is how long another process may need to tell its caller.
	toldWithin = 15 * time.Second
	// toldFor is how long a rental that nobody was told of is news.
	toldFor = 30 * time.Minute
)

// untold returns an *Untold if the caller of c does not know of an earlier
// order, and notes that he does now.
func (g *Guard) untold(ctx context.Context, realm string, c Call) error {
	var news *Untold
	err := g.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		all, err := tx.Counting()
		if err != nil {
			return err
		}
		for _, in := range all {
			if in.Caller != c.Caller || !g.isNews(in, tx.Now()) {
				continue
			}
			news = &Untold{Instance: instanceOf(in), Nonce: in.Nonce, PerHour: in.Rate, Late: in.Late}
			return told(tx, in)
		}
		return nil
	})
	if err != nil || news == nil {
		return err
	}
	return news
}

// isNews reports whether the caller of an order does not know how it stands, and
// no call is about to say so.
func (g *Guard) isNews(in journal.Intent, now time.Time) bool {
	age := now.Sub(in.UpdatedAt)
	switch {
	case !Rents(in), in.State == journal.Prepared, in.Told == in.State, g.atWork.has(in.Nonce):
		return false
	case in.Abandoned, in.Late, g.gone(in.Worker):
		return true
	}
	return age > toldWithin && (in.State != journal.Rented || age < toldFor)
}

// gone reports whether the process that carried an intent is certain to have
// ended. This one is at work on none of them, whatever its name.
func (g *Guard) gone(worker string) bool {
	return worker != "" && (worker == g.worker || g.ended(worker))
}

// told notes that the caller knows how the intent stands.
func told(tx *journal.Tx, in journal.Intent) error {
	_, err := tx.SwapIntent(in.Nonce, func(in *journal.Intent) { in.Told, in.Abandoned = in.State, false }, in.State)
	return err
}

// Tell records what the caller is told: result is the tool's structured result,
// nil when the call failed. heard is false when the call ended before it could
// be told anything; the next order of this caller says it then.
func (g *Grant) Tell(ctx context.Context, heard bool, status string, result json.RawMessage) error {
	g.atWork.remove(g.nonce)
	if g.journal == nil {
		return nil
	}
	err := g.journal.Tx(context.WithoutCancel(ctx), g.realm, func(tx *journal.Tx) error {
		in, found, err := tx.Intent(g.nonce)
		switch {
		case err != nil || !found:
			return err
		case heard:
			err = told(tx, in)
		case Rents(in):
			_, err = tx.SwapIntent(in.Nonce, func(in *journal.Intent) { in.Abandoned = true }, in.State)
		}
		if err != nil || result == nil {
			return err
		}
		return tx.PutOutcome(journal.Outcome{Nonce: in.Nonce, Status: status, Result: result, At: tx.Now()})
	})
	faultpoint.Hit(faultpoint.Told)
	return err
}

// atWork are the intents that calls of this process are busy with. Its zero
// value is ready for use.
type atWork struct {
	mu     sync.Mutex
	nonces map[string]int
}

func (a *atWork) add(nonce string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nonces == nil {
		a.nonces = map[string]int{}
	}
	a.nonces[nonce]++
}

func (a *atWork) remove(nonce string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nonces[nonce] > 1 {
		a.nonces[nonce]--
	} else {
		delete(a.nonces, nonce)
	}
}

func (a *atWork) has(nonce string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nonces[nonce] > 0
}
