package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vast-mcp/journal"
)

// How an answer came, as the journal has it. None is called a person: an agent
// with a shell, or a client of its own, could have given all but the passphrase.
const (
	ViaClient     = "elicitation: the caller's client"
	ViaCommand    = "command, same user"
	ViaPassphrase = "command, passphrase"
	ViaNamed      = "named by the caller"
	ViaAuto       = "auto: within the owner's limits"
)

// Answer is a yes or a no and how it came.
type Answer struct {
	Yes     bool
	Via     string        // one of the constants above
	Took    time.Duration // from asking to answering; zero when nobody was asked
	OutBand bool          // came from outside the call, so the quote lives longer

	proven bool // with the approver's passphrase
}

// nobodyAsked is how fast an answer must be to prove that no person saw the
// question. It counts for a no only: a scripted client says yes at any speed.
const nobodyAsked = 400 * time.Millisecond

// Unasked reports whether the answer is a no that no person can have given.
func (a Answer) Unasked() bool { return !a.Yes && a.Took > 0 && a.Took < nobodyAsked }

// Asked notes that the client of the caller is being asked now.
func (g *Guard) Asked(ctx context.Context, q Quote) error {
	if q.Unwritten {
		return g.loose.change(q.ID, g.now(), func(kept *Quote) { kept.askedAt = g.now() })
	}
	return g.journal.Tx(ctx, q.realm, func(tx *journal.Tx) error {
		_, err := tx.SwapQuote(q.ID, func(row *journal.Quote) { row.AskedAt = g.now() }, journal.Open, journal.Approved)
		return err
	})
}

// SinceAsked is how long ago the client was asked about q; zero when it was not.
func (g *Guard) SinceAsked(q Quote) time.Duration {
	if q.askedAt.IsZero() {
		return 0
	}
	return max(g.now().Sub(q.askedAt), 1)
}

// Answer records the client's answer to q and returns the quote as it now
// stands. A no that nobody can have given leaves the quote open.
func (g *Guard) Answer(ctx context.Context, q Quote, a Answer) (Quote, error) {
	if a.Unasked() {
		return q, nil
	}
	if q.Unwritten {
		return g.answerUnwritten(q, a.Yes)
	}
	err := g.journal.Tx(ctx, q.realm, func(tx *journal.Tx) error {
		row, found, err := tx.Quote(q.ID)
		if err != nil || !found {
			return errors.Join(err, ErrNotWaiting)
		}
		_, err = answer(tx, row, a)
		return err
	})
	q.Ready = err == nil && a.Yes
	return q, err
}

// ErrNotWaiting says that a quote can no longer be approved or declined.
var ErrNotWaiting = errors.New("this quote is no longer waiting for an answer")

// answer moves the row and records how the answer came.
func answer(tx *journal.Tx, row journal.Quote, a Answer) (journal.Quote, error) {
	if !row.Live(tx.Now()) {
		return row, ErrNotWaiting
	}
	set, err := sealed(tx)
	if err != nil {
		return row, err
	}
	word, state := "approved", journal.Approved
	switch {
	case !a.Yes:
		word, state = "declined", journal.Declined
	case set && !a.proven:
		return row, ErrNeedsPassphrase
	case a.proven && !set:
		return row, errMeanwhile
	}
	row, err = tx.SwapQuote(row.ID, func(q *journal.Quote) {
		q.State = state
		if a.proven {
			q.Mode = rule(Operator, true) // it may be older than the approver
		}
		if !a.Yes {
			q.ClosedAt = tx.Now()
		} else if a.OutBand {
			q.ExpiresAt = q.CreatedAt.Add(approvedLife)
		}
	}, journal.Open, journal.Approved)
	if err != nil {
		return row, err
	}
	if err := tx.PutApproval(journal.Approval{Quote: row.ID, Yes: a.Yes, Via: a.Via, Took: a.Took, At: tx.Now()}); err != nil {
		return row, err
	}
	return row, tx.Append(word, row.ID, map[string]any{"via": a.Via, "took_ms": a.Took.Milliseconds()})
}

// Waiting is a quote that waits for a person, as the command line shows it.
type Waiting struct {
	Realm     string
	ID        string
	Code      string // empty while an approver is set
	Caller    string
	Tool      string
	Plan      Plan
	Approved  bool
	Sealed    bool // an approver is set: only ApproveWaiting approves it
	ExpiresAt time.Time
}

// ListWaiting returns the quotes in j that still wait at now, oldest first.
func ListWaiting(ctx context.Context, j *journal.Journal, now time.Time) ([]Waiting, error) {
	if !j.Exists() {
		return nil, nil
	}
	set, err := HasApprover(ctx, j)
	if err != nil {
		return nil, err
	}
	rows, err := j.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	var all []Waiting
	for _, r := range rows {
		if !r.Live(now) || rowPlan(r.Quote).Free {
			continue
		}
		w := Waiting{
			Realm: r.Realm, ID: r.ID, Caller: r.Caller, Tool: r.Tool, Plan: rowPlan(r.Quote),
			Approved: r.State == journal.Approved && (!set || r.Mode == rule(Operator, true)), Sealed: set, ExpiresAt: r.ExpiresAt,
		}
		if !set {
			w.Code = r.Code
		}
		all = append(all, w)
	}
	return all, nil
}

// AnswerWaiting records an answer from the command line. A yes fails with
// ErrNeedsPassphrase while an approver is set: see ApproveWaiting.
func AnswerWaiting(ctx context.Context, j *journal.Journal, w Waiting, a Answer) error {
	return j.Tx(ctx, w.Realm, func(tx *journal.Tx) error {
		row, found, err := tx.Quote(w.ID)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%s: %w", w.ID, ErrNotWaiting)
		}
		_, err = answer(tx, row, a)
		return err
	})
}
