package journal

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Append adds one event to the realm's chain.
func (t *Tx) Append(kind, subject string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	e := Event{At: t.now, Kind: kind, Subject: subject, Data: raw}
	err = t.tx.QueryRowContext(t.ctx, `SELECT seq, hash FROM events WHERE realm = ? ORDER BY seq DESC LIMIT 1`, t.realm).Scan(&e.Seq, &e.Prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("journal: %w", err)
	}
	e.Seq++
	e.Hash = e.hash(t.realm)
	return t.exec(`INSERT INTO events (realm, seq, at, kind, subject, data, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.realm, e.Seq, e.At.UnixMilli(), e.Kind, e.Subject, string(e.Data), e.Prev, e.Hash)
}

// hash covers every field, each with its length, so that no two events read
// the same.
func (e Event) hash(realm string) string {
	h := sha256.New()
	for _, part := range []string{realm, fmt.Sprint(e.Seq), fmt.Sprint(e.At.UnixMilli()), e.Kind, e.Subject, string(e.Data), e.Prev} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Events returns the realm's chain, oldest first. It fails at the first event
// whose hash does not follow from what is before it.
func (t *Tx) Events() (all []Event, err error) {
	rows, err := t.tx.QueryContext(t.ctx, `SELECT seq, at, kind, subject, data, prev, hash FROM events WHERE realm = ? ORDER BY seq`, t.realm)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last := Event{}
	for rows.Next() {
		var e Event
		var at int64
		var data string
		if err := rows.Scan(&e.Seq, &at, &e.Kind, &e.Subject, &data, &e.Prev, &e.Hash); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		e.At, e.Data = time.UnixMilli(at).UTC(), json.RawMessage(data)
		if e.Seq != last.Seq+1 || e.Prev != last.Hash || e.Hash != e.hash(t.realm) {
			return all, fmt.Errorf("journal: event %d does not follow from the one before it: the file was damaged or edited", e.Seq)
		}
		all, last = append(all, e), e
	}
	return all, rows.Err()
}
