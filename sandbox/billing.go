package sandbox

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// Kinds of meters.
const (
	gpuMeter      = "gpu"
	diskMeter     = "disk"
	uploadMeter   = "upload"
	downloadMeter = "download"
)

// What stands in the ledger beside the meters.
const (
	feeEntry     = "fee"     // what a refund kept
	depositEntry = "deposit" // what is left of one: it was paid, and is spent before the account's money
)

// What a running instance moves, so that traffic is on the bill too.
const (
	downloadGBPerHour = 0.4
	uploadGBPerHour   = 0.1
)

// maxRate keeps amount's 128-bit arithmetic in range: a million dollars an
// hour.
const maxRate = 1e15

// meter charges a rate from its start to its end. What it has charged at a
// moment is a function of that moment, so nobody has to tick.
type meter struct {
	Instance int64     `json:"instance"`
	Kind     string    `json:"kind"`
	Rate     int64     `json:"rate"`           // nano-dollars per hour
	Full     int64     `json:"full,omitempty"` // the rate without its discount; 0: it has none
	Start    time.Time `json:"start"`
	End      time.Time `json:"end,omitzero"` // zero while it runs
}

// Entry is one meter of the ledger: what was rented, at what rate, since when
// and for how much.
type Entry struct {
	InstanceID     int64     `json:"instance_id"` // or the volume's; 0 of a transfer
	Kind           string    `json:"kind"`        // gpu, disk, upload, download or volume; deposit is what is left of one; fee and transfer are charged at once
	DollarsPerHour float64   `json:"dollars_per_hour"`
	Start          time.Time `json:"start"`         // market time
	End            time.Time `json:"end,omitzero"`  // zero while open
	MicroDollars   int64     `json:"micro_dollars"` // up to End, or up to now; half a micro-dollar rounds up
}

// nano turns dollars per hour into a meter's rate.
func nano(dollarsPerHour float64) int64 { return int64(math.Round(dollarsPerHour * 1e9)) }

func (m meter) sound() bool {
	return min(m.Rate, m.Full) >= 0 && max(m.Rate, m.Full) <= maxRate && sane(m.Start) && (m.End.IsZero() || sane(m.End))
}

// between is how long the meter ran from one moment to another.
func (m meter) between(from, to time.Time) time.Duration {
	if m.Start.After(from) {
		from = m.Start
	}
	if !m.End.IsZero() && m.End.Before(to) {
		to = m.End
	}
	return max(to.Sub(from), 0)
}

// amount is what the meter has charged at a moment, in micro-dollars, exact
// and rounded half up once.
func (m meter) amount(at time.Time) int64 {
	const unit = uint64(time.Hour) * 1000 // nano-dollar-nanoseconds per hour and micro-dollar
	hi, lo := bits.Mul64(uint64(m.Rate), uint64(m.between(m.Start, at)))
	lo, carry := bits.Add64(lo, unit/2, 0)
	micro, _ := bits.Div64(hi+carry, lo, unit)
	return int64(micro)
}

// credit is what is left at a moment, in micro-dollars. The moment is not
// before the market's: what has ended counts whole.
func (st *state) credit(at time.Time) int64 {
	left := st.StartCredit - st.ended.sum - st.tiedUp(at) - st.Account.sent()
	for _, m := range st.Meters {
		left -= m.amount(at)
	}
	return left
}

func (st *state) ledger(at time.Time) []Entry {
	entries := make([]Entry, 0, len(st.ended.meters)+len(st.Meters))
	for m := range st.meters() {
		entries = append(entries, Entry{
			InstanceID:     m.Instance,
			Kind:           m.Kind,
			DollarsPerHour: float64(m.Rate) / 1e9,
			Start:          m.Start,
			End:            m.End,
			MicroDollars:   m.amount(at),
		})
	}
	for _, f := range st.Fees {
		entries = append(entries, Entry{InstanceID: f.Instance, Kind: feeEntry, Start: f.At, End: f.At, MicroDollars: f.MicroDollars})
	}
	for _, c := range st.Contracts {
		if left := st.depositLeft(c, at); left > 0 {
			entries = append(entries, Entry{InstanceID: c.ID, Kind: depositEntry, Start: at, MicroDollars: left})
		}
	}
	entries = append(entries, st.Account.entries()...)
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Start.Compare(b.Start) })
	return entries
}

func (st *state) openMeter(instance int64, kind string, rate int64, at time.Time) {
	if rate > 0 {
		st.Meters = append(st.Meters, meter{Instance: instance, Kind: kind, Rate: rate, Start: at})
	}
}

// charge opens meters of an instance at the rates that hold for it now.
func (st *state) charge(c *contract, at time.Time, kinds ...string) {
	for _, kind := range kinds {
		m := meter{Instance: c.ID, Kind: kind, Rate: c.Rates.of(kind), Start: at}
		if discount := c.Deposit.discount(); discount > 0 && (kind == gpuMeter || kind == diskMeter) {
			m.Full = m.Rate
			m.Rate = int64(math.Round(float64(m.Full) * (1 - discount)))
		}
		if m.Rate > 0 {
			st.Meters = append(st.Meters, m)
		}
	}
}

// reprice lets what runs go on at the rates that hold now.
func (st *state) reprice(c *contract, at time.Time) {
	var open []string
	for _, m := range st.Meters {
		if m.Instance == c.ID {
			open = append(open, m.Kind)
		}
	}
	st.closeMeters(c.ID, at, open...)
	st.charge(c, at, open...)
}

// closeMeters ends the instance's open meters of the given kinds. What has
// ended is in the book of the ledger: look for meters with st.meters and
// st.metersOf, for st.Meters are the open ones only.
func (st *state) closeMeters(instance int64, at time.Time, kinds ...string) {
	st.Meters = slices.DeleteFunc(st.Meters, func(m meter) bool {
		if m.Instance != instance || !slices.Contains(kinds, m.Kind) {
			return false
		}
		m.End = at
		st.ended.add(m)
		return true
	})
}

// brokeBy tells whether something that is wanted can't be paid by a moment,
// and since when exactly.
func (st *state) brokeBy(limit time.Time) (time.Time, bool) {
	unpaid := func(at time.Time) bool {
		return st.credit(at) <= 0 && slices.ContainsFunc(st.Contracts, func(c *contract) bool { return c.wanted() && st.depositLeft(c, at) == 0 })
	}
	if !unpaid(limit) {
		return time.Time{}, false
	}
	return st.firstTime(limit, unpaid), true
}

// firstTime is the moment from the market's on at which something became
// true that stays true, and is at the limit.
func (st *state) firstTime(limit time.Time, is func(time.Time) bool) time.Time {
	low, high := int64(-1), int64(limit.Sub(st.At)) // not yet at low, already at high
	for high-low > 1 {
		if mid := low + (high-low)/2; is(st.At.Add(time.Duration(mid))) {
			high = mid
		} else {
			low = mid
		}
	}
	return st.At.Add(time.Duration(high))
}
