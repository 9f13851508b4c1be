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

// Heartbeat is when a reaper worked last for an account. The zero Heartbeat is
// that none ever did.
type Heartbeat struct {
	At    time.Time // wall clock
	Key   string    // fingerprint of its API key
	Wrote bool      // with that key it ended something, or changed a label
}

// Fresh reports whether the reaper is at work at now.
func (h Heartbeat) Fresh(now time.Time) bool { return !h.At.IsZero() && now.Sub(h.At).Abs() <= beatFor }

// Able reports whether its key may end what is rented with the key of that
// fingerprint: it is the same one, or it has ended something.
func (h Heartbeat) Able(fingerprint string) bool { return h.Wrote || h.Key == fingerprint }

// Beat notes in the journal that a reaper works for this account, and whether it
// changed anything.
func (d *Desk) Beat(ctx context.Context, wrote bool) error {
	realm, err := d.Realm(ctx)
	if err != nil {
		return err
	}
	return d.journal.Tx(ctx, realm, func(tx *journal.Tx) error {
		last, err := ReadHeartbeat(tx)
		if err != nil {
			return err
		}
		wrote = wrote || last.Wrote && last.Key == d.fingerprint
		return tx.PutSetting(beatSetting, Heartbeat{At: tx.Now(), Key: d.fingerprint, Wrote: wrote})
	})
}

// ReadHeartbeat is when a reaper worked last for the account of tx.
func ReadHeartbeat(tx *journal.Tx) (last Heartbeat, err error) {
	_, err = tx.Setting(beatSetting, &last)
	return last, err
}

// enforcers names who ends leases now. A reaper of which nothing can be read is
// none, and so is one whose key may not be good for it.
func (d *Desk) enforcers(ctx context.Context) []string {
	var last Heartbeat
	err := d.inJournal(ctx, func(tx *journal.Tx) (err error) {
		last, err = ReadHeartbeat(tx)
		return err
	})
	if err != nil || !last.Fresh(d.clock.Now()) || !last.Able(d.fingerprint) {
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
