package rental

import (
	"context"
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// beatSetting is where the journal keeps when a reaper worked last.
const beatSetting = "reaper"

// beatFor is how long after its last round a reaper counts as working: one that
// is started every five minutes may be late.
const beatFor = 10 * time.Minute

type beat struct {
	At time.Time // wall clock
}

// Beat notes in the journal that a reaper works for this account.
func (d *Desk) Beat(ctx context.Context) error {
	realm, err := d.Realm(ctx)
	if err != nil {
		return err
	}
	return d.journal.Tx(ctx, realm, func(tx *journal.Tx) error { return tx.PutSetting(beatSetting, beat{tx.Now()}) })
}

// lastBeat is when a reaper worked last for this account; zero: none ever did,
// as far as this journal knows.
func (d *Desk) lastBeat(ctx context.Context) (time.Time, error) {
	var last time.Time
	err := d.inJournal(ctx, func(tx *journal.Tx) (err error) {
		last, err = ReadBeat(tx)
		return err
	})
	return last, err
}

// ReadBeat is when a reaper worked last for the account of tx, on the wall clock;
// zero: none ever did.
func ReadBeat(tx *journal.Tx) (time.Time, error) {
	var last beat
	_, err := tx.Setting(beatSetting, &last)
	return last.At, err
}

// Beats reports whether a reaper that worked last at that time still does.
func Beats(last, now time.Time) bool { return !last.IsZero() && now.Sub(last).Abs() <= beatFor }

// enforcers names who ends leases now. A reaper of which nothing can be read is
// none.
func (d *Desk) enforcers(ctx context.Context) []string {
	last, err := d.lastBeat(ctx)
	if err != nil || !Beats(last, d.clock.Now()) {
		return d.enforcedBy
	}
	return append(slices.Clone(d.enforcedBy), guard.ByReaper)
}

// outlive warns when nothing ends the lease of the plan once this program has
// ended. It fails when that is certain to happen: with a key that stops working.
func (d *Desk) outlive(p *guard.Plan) error {
	switch by := p.EnforcedBy; {
	case slices.Contains(by, guard.ByBackstop):
	case d.session:
		return &BadRequest{
			"lease_hours", "the API key is the session of a login with two factors: it ends, and nothing could end this lease then",
			"create an API key at https://cloud.vast.ai/manage-keys/ and set VAST_API_KEY, or rent what can end itself: with run_type ssh or jupyter",
		}
	case !slices.Contains(by, guard.ByReaper):
		p.Warnings = append(p.Warnings, "nothing ends this lease when no server runs: vast-mcp reap would, on a machine that is always on")
	}
	return nil
}
