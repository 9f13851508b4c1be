package rental

import (
	"context"
	"maps"
	"slices"

	"vast-mcp/journal"
	"vast-mcp/vast"
)

// parkedSetting is where the journal keeps what parked remembers, so that a
// reaper that is started anew every few minutes does not stop it all again.
const parkedSetting = "parked"

// parked is, for each instance, the lease for whose end it was stopped. What
// wakes up all the same is stopped again, for it runs.
type parked map[vast.InstanceID]string

// isParked reports whether the instance was stopped when this lease had ended.
func (d *Desk) isParked(h hold) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.parked[h.row.ID] == h.tail.String()
}

func (d *Desk) park(h hold) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parked[h.row.ID] = h.tail.String()
}

// recall reads once what earlier processes parked, and forgets what is not
// among rows any more. Without a journal nothing was parked.
func (d *Desk) recall(ctx context.Context, rows []vast.Instance) {
	d.recalled.Do(func() {
		stored := parked{}
		err := d.inJournal(ctx, func(tx *journal.Tx) error {
			_, err := tx.Setting(parkedSetting, &stored)
			return err
		})
		if err != nil {
			d.log.Warn("what was stopped before cannot be read, and is stopped again", "err", err)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		maps.Copy(d.parked, stored)
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.parked, func(id vast.InstanceID, _ string) bool {
		return !slices.ContainsFunc(rows, func(row vast.Instance) bool { return row.ID == id })
	})
}

// inJournal does something in the journal of this account, if there is one.
func (d *Desk) inJournal(ctx context.Context, do func(*journal.Tx) error) error {
	if !d.journal.Exists() {
		return nil
	}
	realm, err := d.Realm(ctx)
	if err != nil {
		return err
	}
	return d.journal.Tx(ctx, realm, do)
}

// noteEndings journals what was done about leases, all at once and afterwards:
// it was done either way.
func (d *Desk) noteEndings(ctx context.Context, did []Ending) {
	if len(did) == 0 {
		return
	}
	d.mu.Lock()
	parked := maps.Clone(d.parked)
	d.mu.Unlock()
	err := d.inJournal(ctx, func(tx *journal.Tx) error {
		for _, e := range did {
			if err := tx.Append("lease", e.nonce, map[string]any{"instance": e.Instance, "did": e.Did, "ok": e.Err == nil}); err != nil {
				return err
			}
		}
		return tx.PutSetting(parkedSetting, parked)
	})
	if err != nil {
		d.log.Warn("noting what was done about leases", "err", err)
	}
}
