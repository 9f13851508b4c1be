package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// dice are random numbers that follow from the seed and from what they are
// for, so that no throw changes another.
type dice struct{ *rand.Rand }

func newDice(seed uint64, purpose string) dice {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, purpose))
	return dice{rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])))} //nolint:gosec // they are to be foreseen
}

// secret is 64 hex digits that follow from the seed.
func secret(seed uint64, purpose string, id int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", seed, purpose, id))
	return hex.EncodeToString(sum[:])
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

func (d dice) between(low, high float64) float64 { return low + d.Float64()*(high-low) }

func (d dice) duration(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)+1)).Truncate(time.Millisecond)
}

// lognormal has the given median and 10th and 90th percentiles.
func (d dice) lognormal(median, p10, p90 float64) float64 {
	const widths = 2 * 1.2816 // of sigma, between the two percentiles
	return median * math.Exp(d.NormFloat64()*math.Log(p90/p10)/widths)
}

// pick is an index, as often as its weight says.
func (d dice) pick(weights ...float64) int {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	at := d.Float64() * total
	for i, w := range weights {
		if at < w {
			return i
		}
		at -= w
	}
	return len(weights) - 1
}

// one is any of the given values.
func one[T any](d dice, values ...T) T { return values[d.IntN(len(values))] }

func round(x float64, decimals int) float64 {
	unit := math.Pow10(decimals)
	return math.Round(x*unit) / unit
}

// exponential has the given mean, as what can happen at any time has. It is
// at most three years.
func (d dice) exponential(mean time.Duration) time.Duration {
	return min(time.Duration(d.ExpFloat64()*float64(mean)), 3*365*day).Truncate(time.Millisecond)
}
