// Package usd holds amounts of money as whole micro-dollars.
//
// Prices arrive from the API as floating-point dollars and become an Amount
// once, rounded up, so that no sum that is compared with a limit is ever a
// float. The zero Amount is no money.
package usd

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Amount is a sum of money in millionths of a US dollar.
type Amount int64

// Dollar is one US dollar.
const Dollar Amount = 1_000_000

// Max is the largest amount: what an unreadable price counts as, so that it
// counts against every limit and never for one.
const Max Amount = math.MaxInt64

// noise is how far from a whole micro-dollar a float may lie and still mean it.
const noise = 1e-3

// FromFloat turns dollars into an Amount, rounding up to the next
// micro-dollar. It fails on NaN, on infinities and on negative numbers.
func FromFloat(dollars float64) (Amount, error) {
	micros := dollars * float64(Dollar)
	if math.IsNaN(micros) || micros < 0 || micros >= float64(Max) {
		return 0, fmt.Errorf("%v is not an amount of money", dollars)
	}
	if whole := math.Round(micros); math.Abs(micros-whole) < noise {
		return Amount(whole), nil
	}
	return Amount(math.Ceil(micros)), nil
}

// Ceil is FromFloat for prices that are judged: what is not an amount is Max.
func Ceil(dollars float64) Amount {
	a, err := FromFloat(dollars)
	if err != nil {
		return Max
	}
	return a
}

// Floor is Ceil for money that is there: it rounds down, for it must not look
// like more, and what is not an amount is none. It may be below zero.
func Floor(dollars float64) Amount {
	if dollars < 0 {
		return -Ceil(-dollars)
	}
	micros := dollars*float64(Dollar) + noise
	if !(micros < float64(Max)) { // so that NaN is none either
		return 0
	}
	return Amount(micros)
}

var errSyntax = errors.New("write dollars as digits with at most one point and six decimals, like 0.50")

// Parse reads dollars as a person types them on a command line: digits, at
// most one point, at most six decimals, no sign and no exponent.
func Parse(s string) (Amount, error) {
	whole, frac, hasPoint := strings.Cut(s, ".")
	if whole == "" || hasPoint && frac == "" || len(frac) > 6 || len(whole) > 12 || !digits(whole) || !digits(frac) {
		return 0, fmt.Errorf("%q: %w", s, errSyntax)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 6-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, errSyntax)
	}
	return Amount(n), nil
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// UnmarshalText reads what Parse reads, so that flags can hold amounts.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = v
	return nil
}

// Add returns the sum, or Max when it does not fit.
func (a Amount) Add(b Amount) Amount {
	if a > Max-b {
		return Max
	}
	return a + b
}

// For returns what a, a rate in dollars per hour, comes to over d, rounded up.
// Negative durations cost nothing.
func (a Amount) For(d time.Duration) Amount {
	if d <= 0 || a <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), uint64(d))
	if hi >= uint64(time.Hour) {
		return Max
	}
	q, r := bits.Div64(hi, lo, uint64(time.Hour))
	if r > 0 {
		q++
	}
	return Amount(min(q, uint64(Max)))
}

// Over returns the highest rate in dollars per hour that comes to a at most over
// d. Over no time any rate does.
func (a Amount) Over(d time.Duration) Amount {
	if d <= 0 {
		return Max
	}
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(time.Hour))
	if hi >= uint64(d) {
		return Max
	}
	rate, _ := bits.Div64(hi, lo, uint64(d))
	return Amount(min(rate, uint64(Max)))
}

// Float returns the amount in dollars.
func (a Amount) Float() float64 { return float64(a) / float64(Dollar) }

// String returns the amount as "$0.4125": at least two decimals, at most six.
func (a Amount) String() string {
	sign, n := "", uint64(a)
	if a < 0 {
		sign, n = "-", uint64(-a)
	}
	frac := strings.TrimRight(fmt.Sprintf("%06d", n%uint64(Dollar)), "0")
	for len(frac) < 2 {
		frac += "0"
	}
	return fmt.Sprintf("%s$%d.%s", sign, n/uint64(Dollar), frac)
}

// MarshalJSON writes a number of dollars with at most six decimals.
func (a Amount) MarshalJSON() ([]byte, error) {
	s := a.String()
	s = strings.Replace(s, "$", "", 1)
	return []byte(strings.TrimSuffix(strings.TrimRight(s, "0"), ".")), nil
}

// UnmarshalJSON reads a number of dollars, rounding up.
func (a *Amount) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return fmt.Errorf("amount %s is not a number", data)
	}
	if f < 0 {
		pos, err := FromFloat(-f)
		*a = -pos
		return err
	}
	*a, err = FromFloat(f)
	return err
}
