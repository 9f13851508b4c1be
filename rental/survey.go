package rental

import (
	"cmp"
	"context"
	"time"

	"vast-mcp/guard"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// Record is what can be said of earlier orders.
type Record string

// The records. Without a whole one an answer goes by labels alone.
const (
	RecordWhole  Record = ""           // the journal was read
	RecordNone   Record = "none"       // there is no journal yet
	RecordBroken Record = "unreadable" // there is one, and it cannot be read
)

// survey is one look at the account: a complete list, joined with the journal.
type survey struct {
	rows    []vast.Instance
	now     time.Time // the API's clock
	record  Record
	holds   map[vast.InstanceID]hold
	intents []journal.Intent           // that count
	over    []journal.Intent           // that ended, and cost something today
	byNonce map[string]journal.Intent  // of what the rows carry
	open    []Order                    // machines may run for them
	undoing map[vast.InstanceID]string // why an order's machine has to go
}

// survey reads the list and settles what it decides, so that nothing that is
// said of it is stale. A journal that cannot be read is left out, and that is
// said.
func (d *Desk) survey(ctx context.Context) (*survey, error) {
	rows, err := d.calm.Instances.All(ctx)
	if err != nil {
		return nil, err
	}
	s := &survey{
		rows: rows, now: d.apiNow(), record: RecordNone,
		holds: map[vast.InstanceID]hold{}, byNonce: map[string]journal.Intent{}, undoing: map[vast.InstanceID]string{},
	}
	if d.journal.Exists() {
		_, unsettled := d.reconcile(ctx, rows, "")
		s.record = d.remember(ctx, s)
		if unsettled != nil {
			d.log.Warn("open orders cannot be settled", "err", unsettled)
		}
	}
	if s.record != RecordWhole {
		s.byLabels(cmp.Or(d.policy.MaxLease, longestLease))
		return s, ctx.Err()
	}
	holds, _ := d.holds(ctx, rows, s.now)
	for _, h := range holds {
		s.holds[h.row.ID] = h
	}
	return s, ctx.Err()
}

// byLabels finds the leases where there is no journal to ask.
func (s *survey) byLabels(longest time.Duration) {
	for _, row := range s.rows {
		if _, tail, ok := ParseLabel(row.Label); ok && !tail.Until.After(s.now.Add(longest+leaseGrace)) {
			s.holds[row.ID] = hold{row: row, tail: tail, written: true}
		}
	}
}

// remember adds what the journal knows, and says whether it could be read.
func (d *Desk) remember(ctx context.Context, s *survey) Record {
	realm, err := d.Realm(ctx)
	if err == nil {
		err = d.journal.Tx(ctx, realm, s.read)
	}
	if err != nil {
		d.log.Warn("the journal cannot be read", "err", err)
		return RecordBroken
	}
	for _, in := range s.intents {
		s.note(in)
	}
	return RecordWhole
}

// read reads the intents that the rows, and what they cost today, are about.
func (s *survey) read(tx *journal.Tx) (err error) {
	if s.intents, err = tx.Counting(); err != nil {
		return err
	}
	if s.over, err = tx.SpentOn(midnight(s.now).Format(time.DateOnly)); err != nil {
		return err
	}
	for _, row := range s.rows {
		nonce := nonceOf(row)
		in, found, err := tx.Intent(nonce)
		if err != nil {
			return err
		}
		if found {
			s.byNonce[nonce] = in
		}
	}
	return nil
}

// note keeps what is open.
func (s *survey) note(in journal.Intent) {
	if !isOpen(in) {
		return
	}
	s.open = append(s.open, orderOf(in))
	if in.State == journal.Undoing && in.Kind == guard.KindCreate {
		for _, e := range in.Extras {
			s.undoing[vast.InstanceID(e.Instance)] = orderOf(in).Why
		}
	}
}
