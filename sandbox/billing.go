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
	Rate     int64     `json:"rate"` // nano-dollars per hour
	Start    time.Time `json:"start"`
	End      time.Time `json:"end,omitzero"` // zero while it runs
}

// Entry is one meter of the ledger: what was rented, at what rate, since when
// and for how much.
type Entry struct {
	InstanceID     int64     `json:"instance_id"`
	Kind           string    `json:"kind"` // gpu, disk, upload or download
	DollarsPerHour float64   `json:"dollars_per_hour"`
	Start          time.Time `json:"start"`         // market time
	End            time.Time `json:"end,omitzero"`  // zero while open
	MicroDollars   int64     `json:"micro_dollars"` // up to End, or up to now; half a micro-dollar rounds up
}

// nano turns dollars per hour into a meter's rate.
func nano(dollarsPerHour float64) int64 { return int64(math.Round(dollarsPerHour * 1e9)) }

func (m meter) sound() bool {
	return m.Rate >= 0 && m.Rate <= maxRate && sane(m.Start) && (m.End.IsZero() || sane(m.End))
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

// credit is what is left at a moment, in micro-dollars.
func (st *state) credit(at time.Time) int64 {
	left := st.StartCredit
	for _, m := range st.Meters {
		left -= m.amount(at)
	}
	return left
}

func (st *state) ledger(at time.Time) []Entry {
	entries := make([]Entry, 0, len(st.Meters))
	for _, m := range st.Meters {
		entries = append(entries, Entry{
			InstanceID:     m.Instance,
			Kind:           m.Kind,
			DollarsPerHour: float64(m.Rate) / 1e9,
			Start:          m.Start,
			End:            m.End,
			MicroDollars:   m.amount(at),
		})
	}
	return entries
}

func (st *state) openMeter(instance int64, kind string, rate int64, at time.Time) {
	if rate > 0 {
		st.Meters = append(st.Meters, meter{Instance: instance, Kind: kind, Rate: rate, Start: at})
	}
}

// closeMeters ends the instance's open meters of the given kinds.
func (st *state) closeMeters(instance int64, at time.Time, kinds ...string) {
	for i := range st.Meters {
		m := &st.Meters[i]
		if m.Instance == instance && m.End.IsZero() && slices.Contains(kinds, m.Kind) {
			m.End = at
		}
	}
}

// brokeBy tells whether the credit is used up by a moment, and when exactly.
func (st *state) brokeBy(limit time.Time) (time.Time, bool) {
	if st.credit(limit) > 0 {
		return time.Time{}, false
	}
	low, high := int64(-1), int64(limit.Sub(st.At)) // credit is left at low, and used up at high
	for high-low > 1 {
		if mid := low + (high-low)/2; st.credit(st.At.Add(time.Duration(mid))) > 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return st.At.Add(time.Duration(high)), true
}
