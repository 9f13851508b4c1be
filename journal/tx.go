package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrMoved says that a compare-and-swap lost: the row was no longer in a state
// that it may be moved from. The loser does nothing.
var ErrMoved = errors.New("someone else moved it first")

// Tx is one transaction in one realm. It is not safe for concurrent use and
// not valid after the function it was given to returns.
type Tx struct {
	ctx     context.Context //nolint:containedctx // a Tx lives inside one call, as database/sql's does
	tx      *sql.Tx
	journal *Journal
	realm   string
	epoch   int64 // how many transactions the realm has had
	now     time.Time
	head    Event // the last one appended; Seq 0: none
}

// Tx runs f holding the lock of realm and commits when f returns nil. When Tx
// returns nil the changes are on disk; when it returns an error nothing was
// changed, but for [ErrUnsure], which says that nobody knows. With PostgreSQL
// it takes no longer than some 20 seconds, whatever the network does.
func (j *Journal) Tx(ctx context.Context, realm string, f func(*Tx) error) error {
	ctx, cancel := j.engine.within(ctx)
	defer cancel()
	db, err := j.open(ctx)
	if err != nil {
		return err
	}
	wall := j.now() // without the lock: reading a clock may take its time
	tx, id, err := j.engine.begin(ctx, db)
	if err != nil {
		return j.failed(err)
	}
	defer func() { _ = tx.Rollback() }()
	t := &Tx{ctx: ctx, tx: tx, journal: j, realm: realm}
	if err := t.enter(wall); err != nil {
		return j.failed(err)
	}
	if err = f(t); err == nil {
		if err = tx.Commit(); err != nil {
			err = j.failed(j.engine.settle(ctx, db, id, err))
		}
	}
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return context.Cause(ctx) // database/sql rolled back by itself, and says only that
	}
	if err == nil {
		j.remember(t.head)
	}
	return err
}

// enter takes the realm's row and sets the time of the transaction, which
// never runs backwards: a clock set back must not revive an expired quote.
func (t *Tx) enter(wall time.Time) error {
	var clock int64
	err := t.row(`
INSERT INTO realms (realm, epoch, clock) VALUES (?, 1, ?)
ON CONFLICT (realm) DO UPDATE SET epoch = realms.epoch + 1,
	clock = CASE WHEN realms.clock > excluded.clock THEN realms.clock ELSE excluded.clock END
RETURNING epoch, clock`, t.realm, wall.UnixMilli()).Scan(&t.epoch, &clock)
	t.now = time.UnixMilli(clock).UTC()
	return err
}

// Now is the time of the transaction: the wall clock, or the latest time any
// earlier transaction of the realm saw, whichever is later.
func (t *Tx) Now() time.Time { return t.now }

// Realm is the account that the transaction is about.
func (t *Tx) Realm() string { return t.realm }

func (t *Tx) exec(query string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, t.journal.engine.bind(query), args...)
	return t.journal.failed(err)
}

func (t *Tx) row(query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(t.ctx, t.journal.engine.bind(query), args...)
}

// one reads the body of at most one row; ok is false when there is none.
func one[T any](t *Tx, query string, args ...any) (row T, ok bool, err error) {
	all, err := many[T](t, query, args...)
	if err != nil || len(all) == 0 {
		return row, false, err
	}
	return all[0], true, nil
}

// many reads the bodies of all rows.
func many[T any](t *Tx, query string, args ...any) (all []T, err error) {
	rows, err := t.tx.QueryContext(t.ctx, t.journal.engine.bind(query), args...)
	if err != nil {
		return nil, t.journal.failed(err)
	}
	defer func() { err = errors.Join(err, t.journal.failed(rows.Close())) }()
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		var row T
		if err := json.Unmarshal([]byte(body), &row); err != nil {
			return nil, fmt.Errorf("journal: damaged row: %w", err)
		}
		all = append(all, row)
	}
	return all, t.journal.failed(rows.Err())
}

func body(row any) (string, error) {
	data, err := json.Marshal(row)
	return string(data), err
}
