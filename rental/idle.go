package rental

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"vast-mcp/journal"
	"vast-mcp/vast"
)

const (
	// idleBelow is the GPU use, in percent, under which an instance idles: a
	// container without work shows 0 to 2, and any training far more.
	idleBelow = 5
	// idleGap is how long nobody may look before the count starts anew: what the
	// GPUs did meanwhile is not known.
	idleGap = 15 * time.Minute
	// idleForget is after what time an instance that nobody looks at is forgotten.
	idleForget = 24 * time.Hour
	// idleTell is how old what the journal says may get. A program that cron runs
	// every five minutes must find the one before it.
	idleTell = 4 * time.Minute
	// idleWithin is how long the journal may take: memory does without it.
	idleWithin = 5 * time.Second
	// idleSetting is the realm's setting that holds what was seen.
	idleSetting = "idle"
)

// spell is what was seen of one instance's idling, on the API's clock. Since is
// a look that found it so, never earlier than it was.
type spell struct {
	Since time.Time `json:"since,omitzero"` // zero: it does not idle
	Seen  time.Time `json:"seen,omitzero"`  // the last look that found it idling
	Busy  time.Time `json:"busy,omitzero"`  // the last look that did not
}

// lookAt is one look at the row.
func lookAt(row vast.Instance, now time.Time) spell {
	if idles(row) {
		return spell{Since: now, Seen: now}
	}
	return spell{Busy: now}
}

// idles reports whether the row runs and its GPUs do nothing. A use that is not
// known counts as work.
func idles(row vast.Instance) bool {
	use := row.GPUUtil
	return row.Status == "running" && row.Wanted == "running" && use != nil && *use >= 0 && *use < idleBelow
}

// join is what two programs saw together: a busy look by one of them ends what
// the other saw until then.
func (s spell) join(o spell) spell {
	busy := later(s.Busy, o.Busy)
	first, last := s.after(busy), o.after(busy)
	if last.Since.Before(first.Since) {
		first, last = last, first
	}
	if first.Since.IsZero() || last.Since.Sub(first.Seen) > idleGap {
		return spell{last.Since, last.Seen, busy}
	}
	return spell{first.Since, later(first.Seen, last.Seen), busy}
}

// after is what is left of the spell when it was interrupted at busy.
func (s spell) after(busy time.Time) spell {
	switch {
	case s.Since.After(busy):
		return s
	case s.Seen.After(busy):
		return spell{Since: s.Seen, Seen: s.Seen}
	}
	return spell{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// spells are those of all instances that were looked at lately.
type spells map[vast.InstanceID]spell

// join joins what others saw. Of what nobody saw within the last idleGap only
// the work counts; what lies ahead is of a clock that was wrong.
func (s spells) join(others spells, now time.Time) spells {
	all := maps.Clone(s)
	for id, o := range others {
		age := now.Sub(later(o.Seen, o.Busy))
		if age > idleForget || age < -idleGap {
			continue
		}
		if age > idleGap {
			o = spell{Busy: o.Busy}
		}
		all[id] = all[id].join(o)
	}
	return all
}

// news reports whether the journal, which holds told, should be told.
func (s spells) news(told spells) bool {
	for id, a := range s {
		if b := told[id]; !a.Since.Equal(b.Since) || a.Seen.Sub(b.Seen) >= idleTell {
			return true
		}
	}
	return false
}

// idling is what is known of idle GPUs. Its zero value is ready for use.
type idling struct {
	mu    sync.Mutex
	seen  spells
	blind bool // the journal could not be used, which was said
}

// SeeIdle takes account of rows, any instances that were just read, and returns
// since when each that idles has done so, on the API's clock and as far as
// this program and all that share its journal looked. Without a journal it goes
// by what this Desk saw.
func (d *Desk) SeeIdle(ctx context.Context, rows []vast.Instance) map[vast.InstanceID]time.Time {
	now := d.apiNow().UTC().Truncate(time.Second)
	seen := spells{}
	for _, row := range rows {
		seen[row.ID] = lookAt(row, now)
	}
	seen = d.idle.remember(seen, now)
	seen = d.idle.remember(d.shareIdle(ctx, seen, now), now)
	since := map[vast.InstanceID]time.Time{}
	for _, row := range rows {
		if at := seen[row.ID].Since; !at.IsZero() {
			since[row.ID] = at
		}
	}
	return since
}

// remember joins seen with what is remembered, which it becomes.
func (i *idling) remember(seen spells, now time.Time) spells {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen = seen.join(i.seen, now)
	return maps.Clone(i.seen)
}

var errNoNews = errors.New("no news")

// shareIdle joins seen with what the journal knows, and tells it what is new.
func (d *Desk) shareIdle(ctx context.Context, seen spells, now time.Time) spells {
	ctx, cancel := context.WithTimeout(ctx, idleWithin)
	defer cancel()
	err := d.inJournal(ctx, func(tx *journal.Tx) error {
		var told spells
		if _, err := tx.Setting(idleSetting, &told); err != nil {
			return err
		}
		if seen = seen.join(told, now); !seen.news(told) {
			return errNoNews // so that a look writes nothing
		}
		return tx.PutSetting(idleSetting, seen)
	})
	if errors.Is(err, errNoNews) {
		err = nil
	}
	if d.idle.turned(err != nil) && err != nil {
		d.log.Warn("how long GPUs idle goes by memory alone: the journal cannot be used", "err", err)
	}
	return seen
}

// turned notes whether the journal could be used, and reports whether that is
// new.
func (i *idling) turned(blind bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	was := i.blind
	i.blind = blind
	return was != blind
}

// StopIdle stops the instances among rows, a complete list that was just read,
// whose lease says so and whose GPUs have idled for that long. It never destroys
// one: the disk is kept. A lease that several instances carry is left alone.
// What it reports as stopped was asked for, not seen.
func (d *Desk) StopIdle(ctx context.Context, rows []vast.Instance) (said []Ending) {
	since := d.SeeIdle(ctx, rows)
	carried := map[string]int{}
	for _, row := range rows {
		_, tail, _ := ParseLabel(row.Label)
		carried[tail.Nonce]++
	}
	now := d.apiNow()
	for _, row := range rows {
		_, tail, leased := ParseLabel(row.Label)
		if leased && carried[tail.Nonce] == 1 && tail.idledOut(since[row.ID], now) {
			said = append(said, d.stopIdle(ctx, row, tail)...)
		}
	}
	d.noteEndings(ctx, said)
	return said
}

// idledOut reports whether the lease lets nothing idle for as long as since
// then, which is zero for what does not idle.
func (t Tail) idledOut(since, now time.Time) bool {
	return t.IdleMinutes > 0 && !since.IsZero() && now.Sub(since) >= time.Duration(t.IdleMinutes)*time.Minute
}

// stopIdle looks at the instance once more before it stops it.
func (d *Desk) stopIdle(ctx context.Context, listed vast.Instance, t Tail) []Ending {
	did := Ending{Instance: listed.ID, Until: t.Until, nonce: t.Nonce}
	row, err := d.client.Instances.Get(ctx, listed.ID)
	switch {
	case errors.Is(err, vast.NotFound), err == nil && row.Label != listed.Label:
		return nil // gone, or extended this moment: the next look judges it
	case err != nil:
		did.Did, did.Err = "idles and could not be looked at", err
		return []Ending{did}
	}
	since := d.SeeIdle(ctx, []vast.Instance{row})[row.ID]
	now := d.apiNow()
	if !t.idledOut(since, now) {
		return nil
	}
	did.Did = fmt.Sprintf("stopped before its lease ended: its GPUs idled for %.0f min", now.Sub(since).Minutes())
	did.Err = d.client.Instances.Stop(ctx, row.ID)
	return []Ending{did}
}
