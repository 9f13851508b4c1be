// Package journal is the memory of the money path: which quotes were made,
// who approved them, what was about to be done and what came of it. It is one
// SQLite file, or a PostgreSQL database that several machines share.
//
// The one rule: a state is moved only by a compare-and-swap inside [Journal.Tx],
// which holds the realm's lock and is on disk when it returns. Nothing that
// takes network time may run inside it.
//
//	err := j.Tx(ctx, realm, func(tx *journal.Tx) error {
//		in, err := tx.SwapIntent(nonce, func(in *journal.Intent) { in.State = journal.Sent }, journal.Prepared)
//		…
//	})
//
// A realm is one account behind one API origin. Every row belongs to a realm
// and no transaction sees the rows of another.
package journal
