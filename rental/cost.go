package rental

import (
	"slices"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// rateOf is what the row costs per hour as it is now.
func rateOf(row vast.Instance) usd.Amount {
	if Running(row) {
		return usd.Ceil(row.PerHour)
	}
	return usd.Ceil(row.DiskPerHour)
}

// note keeps what a rental has cost by own observation. Nothing is written while
// it costs what it cost before.
func (p pass) note(tx *journal.Tx, in journal.Intent) error {
	i := slices.IndexFunc(p.list, func(row vast.Instance) bool { return int64(row.ID) == in.Instance })
	if i < 0 || !in.Cost.At.IsZero() && in.Cost.Rate == rateOf(p.list[i]) {
		return nil
	}
	_, err := tx.SwapIntent(in.Nonce, func(in *journal.Intent) { in.Cost = accrued(*in, p.now.API, rateOf(p.list[i])) }, in.State)
	return err
}

// accrued is what the rental has cost up to now, and that it costs rate from now
// on. When that changed is not known: until now the dearer counts.
func accrued(in journal.Intent, now time.Time, rate usd.Amount) journal.Cost {
	cost := in.Cost
	if cost.At.IsZero() {
		cost = journal.Cost{At: in.Began, Rate: in.Rate}
	}
	cost.Rate = max(cost.Rate, rate)
	return guard.Accrue(cost, now, rate)
}
