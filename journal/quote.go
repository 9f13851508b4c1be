package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// PutQuote inserts a quote, or replaces the row with its ID.
func (t *Tx) PutQuote(q Quote) error {
	b, err := body(q)
	if err != nil {
		return err
	}
	return t.exec(`
INSERT INTO quotes (realm, id, code, caller, tool, digest, state, created, seq, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (realm, id) DO UPDATE SET state = excluded.state, body = excluded.body`,
		t.realm, q.ID, q.Code, q.Caller, q.Tool, q.Digest, q.State, q.CreatedAt.UnixMilli(), t.epoch, b)
}

// Quote returns the quote with that ID; ok is false when there is none.
func (t *Tx) Quote(id string) (q Quote, ok bool, err error) {
	return one[Quote](t, `SELECT body FROM quotes WHERE realm = ? AND id = ?`, t.realm, id)
}

// LastQuote returns the newest quote for that very call; ok is false when
// there is none.
func (t *Tx) LastQuote(caller, tool, digest string) (q Quote, ok bool, err error) {
	return one[Quote](t, `
SELECT body FROM quotes WHERE realm = ? AND caller = ? AND tool = ? AND digest = ?
ORDER BY created DESC, seq DESC LIMIT 1`, t.realm, caller, tool, digest)
}

// LastRedeemed returns the newest quote for that very call that was redeemed;
// ok is false when there is none.
func (t *Tx) LastRedeemed(caller, tool, digest string) (q Quote, ok bool, err error) {
	return one[Quote](t, `
SELECT body FROM quotes WHERE realm = ? AND caller = ? AND tool = ? AND digest = ? AND state = ?
ORDER BY created DESC, seq DESC LIMIT 1`, t.realm, caller, tool, digest, Redeemed)
}

// LastDeclined returns the newest declined quote of a caller for a tool.
func (t *Tx) LastDeclined(caller, tool string) (q Quote, ok bool, err error) {
	return one[Quote](t, `
SELECT body FROM quotes WHERE realm = ? AND caller = ? AND tool = ? AND state = ?
ORDER BY created DESC, seq DESC LIMIT 1`, t.realm, caller, tool, Declined)
}

// SwapQuote moves a quote that is in one of the states from: change edits it.
// It fails with ErrMoved when the quote is in another state or is not there.
func (t *Tx) SwapQuote(id string, change func(*Quote), from ...QuoteState) (Quote, error) {
	q, ok, err := t.Quote(id)
	if err != nil {
		return q, err
	}
	if !ok || !slices.Contains(from, q.State) {
		return q, fmt.Errorf("quote is %q: %w", q.State, ErrMoved)
	}
	change(&q)
	return q, t.PutQuote(q)
}

// PutApproval records a yes or a no.
func (t *Tx) PutApproval(a Approval) error {
	b, err := body(a)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO approvals (realm, quote, at, body) VALUES (?, ?, ?, ?)`, t.realm, a.Quote, a.At.UnixMilli(), b)
}

// RealmQuote is a quote together with the realm it belongs to.
type RealmQuote struct {
	Realm string
	Quote
}

// Waiting returns the open and approved quotes of every realm in this journal,
// oldest first, expired ones included: for the command line, which approves
// without a key and so cannot know the realm.
func (j *Journal) Waiting(ctx context.Context) ([]RealmQuote, error) {
	names, err := j.Realms(ctx)
	if err != nil {
		return nil, err
	}
	var all []RealmQuote
	for _, realm := range names {
		err := j.Tx(ctx, realm, func(tx *Tx) error {
			quotes, err := many[Quote](tx, `SELECT body FROM quotes WHERE realm = ? AND state IN (?, ?) ORDER BY created, seq`, realm, Open, Approved)
			for _, q := range quotes {
				all = append(all, RealmQuote{Realm: realm, Quote: q})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b RealmQuote) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return all, nil
}

// Realms returns the names of all realms that the journal has rows of.
func (j *Journal) Realms(ctx context.Context) (names []string, err error) {
	ctx, cancel := j.engine.within(ctx)
	defer cancel()
	db, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT realm FROM realms ORDER BY realm`)
	if err != nil {
		return nil, j.failed(err)
	}
	defer func() { err = errors.Join(err, j.failed(rows.Close())) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, j.failed(err)
		}
		names = append(names, name)
	}
	return names, j.failed(rows.Err())
}
