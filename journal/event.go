package journal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

// Append adds one event to the realm's chain.
func (t *Tx) Append(kind, subject string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	e := Event{Realm: t.realm, At: t.now, Kind: kind, Subject: subject, Data: raw}
	err = t.row(`SELECT seq, hash FROM events WHERE realm = ? ORDER BY seq DESC LIMIT 1`, t.realm).Scan(&e.Seq, &e.Prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t.journal.failed(err)
	}
	e.Seq++
	e.Hash = e.hash()
	err = t.exec(`INSERT INTO events (realm, seq, at, kind, subject, data, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Realm, e.Seq, e.At.UnixMilli(), e.Kind, e.Subject, string(e.Data), e.Prev, e.Hash)
	if err == nil {
		t.head = e
	}
	return err
}

// hash covers every field, each with its length, so that no two events read
// the same.
func (e Event) hash() string {
	h := sha256.New()
	for _, part := range []string{e.Realm, fmt.Sprint(e.Seq), fmt.Sprint(e.At.UnixMilli()), e.Kind, e.Subject, string(e.Data), e.Prev} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ErrDamaged says that events are not as they were written: some were edited,
// cut out or put elsewhere.
var ErrDamaged = errors.New("the journal was damaged or edited")

// Chain follows the events of one realm, oldest first, and tells whether they
// are as they were written. The zero Chain stands before the first event.
type Chain struct{ last Event }

// Follow takes the next event. It fails with ErrDamaged where that does not
// follow from the one before it, or one between the two is missing.
func (c *Chain) Follow(e Event) error {
	missing, err := c.Jump(e)
	if missing > 0 {
		return fmt.Errorf("before event %d of %q %d are missing: %w", e.Seq, e.Realm, missing, ErrDamaged)
	}
	return err
}

// Jump takes an event that may stand further on in the chain, as in an export
// of chosen events, and tells how many were left out before it: of these nobody
// can say whether they are whole. It fails with ErrDamaged as Follow does.
func (c *Chain) Jump(e Event) (missing int64, err error) {
	missing = e.Seq - c.last.Seq - 1
	linked := missing > 0 || missing == 0 && e.Prev == c.last.Hash
	if !linked || e.Hash != e.hash() || c.last.Seq != 0 && e.Realm != c.last.Realm {
		return 0, fmt.Errorf("event %d of %q does not follow from the one before it: %w", e.Seq, e.Realm, ErrDamaged)
	}
	c.last = e
	return missing, nil
}

// Head is the event that was followed last, of which the hash stands for all
// before it. Its Seq is zero when there was none.
func (c *Chain) Head() Event { return c.last }

// Events yields the realm's chain, oldest first. It ends with an error at the
// first event that does not follow from the one before it. It holds no lock
// and reads what was committed when it began.
func (j *Journal) Events(ctx context.Context, realm string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var chain Chain
		for e, err := range j.read(ctx, `WHERE realm = ? ORDER BY seq`, realm) {
			if err == nil {
				err = chain.Follow(e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// History yields the events of all realms as they came, without looking whether
// their chains are whole. It holds no lock, as Events does.
func (j *Journal) History(ctx context.Context) iter.Seq2[Event, error] {
	return j.read(ctx, `ORDER BY at, realm, seq`)
}

func (j *Journal) read(ctx context.Context, which string, args ...any) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		db, err := j.open(ctx)
		if err != nil {
			yield(Event{}, err)
			return
		}
		rows, err := db.QueryContext(ctx, j.engine.bind(`SELECT realm, seq, at, kind, subject, data, prev, hash FROM events `+which), args...)
		if err != nil {
			yield(Event{}, j.failed(err))
			return
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			e, err := scanEvent(rows)
			if !yield(e, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Event{}, j.failed(err))
		}
	}
}

func scanEvent(rows *sql.Rows) (e Event, err error) {
	var at int64
	var data string
	if err := rows.Scan(&e.Realm, &e.Seq, &at, &e.Kind, &e.Subject, &data, &e.Prev, &e.Hash); err != nil {
		return e, fmt.Errorf("journal: %w", err)
	}
	e.At, e.Data = time.UnixMilli(at).UTC(), json.RawMessage(data)
	return e, nil
}

// Heads returns the last event that this process has appended to each realm;
// none for a realm that it only read.
func (j *Journal) Heads() []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.SortedFunc(maps.Values(j.heads), func(a, b Event) int { return cmp.Compare(a.Realm, b.Realm) })
}

// remember keeps the head of a transaction that was committed. Two may come
// here in another order than they were committed in.
func (j *Journal) remember(head Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if head.Seq > j.heads[head.Realm].Seq {
		j.heads[head.Realm] = head
	}
}
