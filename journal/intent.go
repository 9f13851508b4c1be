package journal

import (
	"fmt"
	"slices"
)

// PutIntent inserts a new intent. The database refuses a second one for the
// same quote unless the first was refused.
func (t *Tx) PutIntent(in Intent) error {
	in.CreatedAt, in.UpdatedAt = t.now, t.now
	b, err := body(in)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO intents (realm, nonce, quote, state, instance, day, body) VALUES (?, ?, ?, ?, ?, ?, ?)`, t.realm, in.Nonce, in.Quote, in.State, in.Instance, in.Cost.Day, b)
}

// Intent returns the intent with that nonce; ok is false when there is none.
func (t *Tx) Intent(nonce string) (in Intent, ok bool, err error) {
	return one[Intent](t, `SELECT body FROM intents WHERE realm = ? AND nonce = ?`, t.realm, nonce)
}

// IntentOf returns the intent that a quote was redeemed for, refused ones
// left out; ok is false when there is none.
func (t *Tx) IntentOf(quote string) (in Intent, ok bool, err error) {
	return one[Intent](t, `SELECT body FROM intents WHERE realm = ? AND quote = ? AND state <> ?`, t.realm, quote, Refused)
}

// Counting returns the intents that count against the caps.
func (t *Tx) Counting() ([]Intent, error) {
	all, err := many[Intent](t, `SELECT body FROM intents WHERE realm = ? AND state NOT IN (?, ?, ?, ?)`, t.realm, Refused, Closed, Ended, Done)
	return all, err
}

// SpentOn returns the intents that are over and cost something on that day, as
// [Cost] has it.
func (t *Tx) SpentOn(day string) ([]Intent, error) {
	return many[Intent](t, `SELECT body FROM intents WHERE realm = ? AND day = ? AND state IN (?, ?, ?)`, t.realm, day, Refused, Closed, Ended)
}

// CallerOf returns who rented or started that instance last; ok is false when
// the journal does not know it.
func (t *Tx) CallerOf(instance int64) (caller string, ok bool, err error) {
	all, err := many[Intent](t, `SELECT body FROM intents WHERE realm = ? AND instance = ? AND state IN (?, ?, ?)`, t.realm, instance, Rented, Undoing, Ended)
	var last Intent
	for _, in := range all {
		if in.UpdatedAt.After(last.UpdatedAt) {
			last, ok = in, true
		}
	}
	return last.Caller, ok, err
}

// Knows reports whether the instance was ever seen by an intent: an id that is
// still a hint does not count.
func (t *Tx) Knows(instance int64) (bool, error) {
	_, found, err := one[Intent](t, `SELECT body FROM intents WHERE realm = ? AND instance = ? AND state IN (?, ?, ?) LIMIT 1`,
		t.realm, instance, Rented, Ended, Done)
	return found, err
}

// EndRentals ends what is rented as that instance, as end edits it, with an
// event for each.
func (t *Tx) EndRentals(instance int64, end func(*Intent)) error {
	all, err := many[Intent](t, `SELECT body FROM intents WHERE realm = ? AND instance = ? AND state = ?`, t.realm, instance, Rented)
	if err != nil {
		return err
	}
	for _, in := range all {
		in, err := t.SwapIntent(in.Nonce, end, Rented)
		if err != nil {
			return err
		}
		if err := t.Append(string(in.State), in.Nonce, map[string]any{"kind": in.Kind, "instance": instance, "why": in.Why}); err != nil {
			return err
		}
	}
	return nil
}

// SwapIntent moves an intent that is in one of the states from: change edits
// it. It fails with ErrMoved when the intent is in another state or not there.
func (t *Tx) SwapIntent(nonce string, change func(*Intent), from ...IntentState) (Intent, error) {
	in, ok, err := t.Intent(nonce)
	if err != nil {
		return in, err
	}
	if !ok || !slices.Contains(from, in.State) {
		return in, fmt.Errorf("intent %s is %q: %w", nonce, in.State, ErrMoved)
	}
	before := in.State
	if change(&in); in.State != before {
		in.UpdatedAt = t.now
	}
	b, err := body(in)
	if err != nil {
		return in, err
	}
	return in, t.exec(`UPDATE intents SET state = ?, instance = ?, day = ?, body = ? WHERE realm = ? AND nonce = ?`, in.State, in.Instance, in.Cost.Day, b, t.realm, nonce)
}

// PutOutcome records what the caller was told, replacing an earlier telling.
func (t *Tx) PutOutcome(o Outcome) error {
	return t.putByNonce("outcomes", o.Nonce, o)
}

// Outcome returns what the caller of that intent was told.
func (t *Tx) Outcome(nonce string) (o Outcome, ok bool, err error) {
	return one[Outcome](t, `SELECT body FROM outcomes WHERE realm = ? AND nonce = ?`, t.realm, nonce)
}

// PutLease records the deadline that was granted last.
func (t *Tx) PutLease(l Lease) error {
	return t.putByNonce("leases", l.Nonce, l)
}

// Lease returns the last granted deadline of a rental.
func (t *Tx) Lease(nonce string) (l Lease, ok bool, err error) {
	return one[Lease](t, `SELECT body FROM leases WHERE realm = ? AND nonce = ?`, t.realm, nonce)
}

func (t *Tx) putByNonce(table, nonce string, row any) error {
	b, err := body(row)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO `+table+` (realm, nonce, body) VALUES (?, ?, ?)
ON CONFLICT (realm, nonce) DO UPDATE SET body = excluded.body`, t.realm, nonce, b)
}
