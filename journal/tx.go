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
	ctx   context.Context //nolint:containedctx // a Tx lives inside one call, as database/sql's does
	tx    *sql.Tx
	realm string
	now   time.Time
}

// Tx runs f holding the lock of realm and commits when f returns nil. When Tx
// returns nil the changes are on disk; when it returns an error nothing was
// changed.
func (j *Journal) Tx(ctx context.Context, realm string, f func(*Tx) error) error {
	db, err := j.open(ctx)
	if err != nil {
		return err
	}
	wall := j.now() // without the lock: reading a clock may take its time
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	t := &Tx{ctx: ctx, tx: tx, realm: realm}
	if err := t.enter(wall); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	err = f(t)
	if err == nil {
		err = tx.Commit()
	}
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		err = ctx.Err() // database/sql rolled back by itself, and says only that
	}
	return err
}

// enter takes the realm's row and sets the time of the transaction, which
// never runs backwards: a clock set back must not revive an expired quote.
func (t *Tx) enter(wall time.Time) error {
	_, err := t.tx.ExecContext(t.ctx, `
INSERT INTO realms (realm, epoch, clock) VALUES (?, 1, ?)
ON CONFLICT (realm) DO UPDATE SET epoch = realms.epoch + 1, clock = MAX(realms.clock, excluded.clock)`,
		t.realm, wall.UnixMilli())
	if err != nil {
		return err
	}
	var clock int64
	if err := t.tx.QueryRowContext(t.ctx, `SELECT clock FROM realms WHERE realm = ?`, t.realm).Scan(&clock); err != nil {
		return err
	}
	t.now = time.UnixMilli(clock).UTC()
	return nil
}

// Now is the time of the transaction: the wall clock, or the latest time any
// earlier transaction of the realm saw, whichever is later.
func (t *Tx) Now() time.Time { return t.now }

// Realm is the account that the transaction is about.
func (t *Tx) Realm() string { return t.realm }

func (t *Tx) exec(query string, args ...any) error {
	if _, err := t.tx.ExecContext(t.ctx, query, args...); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
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
	rows, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
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
	return all, rows.Err()
}

func body(row any) (string, error) {
	data, err := json.Marshal(row)
	return string(data), err
}
