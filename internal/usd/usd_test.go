package usd_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/internal/usd"
)

func TestFromFloatRoundsUp(t *testing.T) {
	for in, want := range map[float64]usd.Amount{
		0: 0, 0.4: 400_000, 0.1 + 0.2: 300_000, 0.4037037037: 403_704, 1e-7: 1, 31.5789: 31_578_900,
	} {
		got, err := usd.FromFloat(in)
		require.NoError(t, err)
		require.Equal(t, want, got, "%v", in)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -0.01, 1e300} {
		_, err := usd.FromFloat(bad)
		require.Error(t, err, "%v", bad)
		require.Equal(t, usd.Max, usd.Ceil(bad), "what cannot be read counts against")
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]usd.Amount{"0": 0, "0.50": 500_000, "12": 12_000_000, "0.000001": 1, "007.5": 7_500_000} {
		got, err := usd.Parse(in)
		require.NoError(t, err)
		require.Equal(t, want, got, in)
	}
	for _, bad := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "NaN", "0x1", "1,5", "0.0000001", "1 ", "9999999999999", "1.2.3", "$1"} {
		_, err := usd.Parse(bad)
		require.ErrorContains(t, err, "write dollars as", "%q", bad)
	}
}

func TestForIsRateTimesTimeRoundedUp(t *testing.T) {
	require.Equal(t, 24*usd.Dollar, usd.Dollar.For(24*time.Hour))
	require.Equal(t, usd.Amount(1), usd.Amount(1).For(time.Nanosecond))
	require.Zero(t, usd.Dollar.For(-time.Hour))
	require.Equal(t, usd.Max, usd.Max.For(2*time.Hour))
	require.Equal(t, usd.Max, usd.Max.Add(1))
}

func TestStringAndJSON(t *testing.T) {
	for in, want := range map[usd.Amount]string{0: "$0.00", 400_000: "$0.40", 412_500: "$0.4125", 1: "$0.000001", -2_500_000: "-$2.50"} {
		require.Equal(t, want, in.String())
	}
	rapid.Check(t, func(t *rapid.T) {
		a := usd.Amount(rapid.Int64Range(-1e14, 1e14).Draw(t, "a"))
		data, err := json.Marshal(a)
		require.NoError(t, err)
		require.NotContains(t, string(data), "e")
		var back usd.Amount
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, a, back)
	})
	var a usd.Amount
	require.Error(t, json.Unmarshal([]byte(`"x"`), &a))
}

func FuzzParse(f *testing.F) {
	f.Add("0.50")
	f.Add("1e9")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := usd.Parse(s)
		if err == nil {
			require.GreaterOrEqual(t, a, usd.Amount(0))
		}
	})
}

func TestFloorNeverLooksLikeMore(t *testing.T) {
	for in, want := range map[float64]usd.Amount{
		0: 0, 0.3: 300_000, 1.5000009: 1_500_000, -1.5000009: -1_500_001,
		math.NaN(): 0, math.Inf(1): 0, 1e300: 0, math.Inf(-1): -usd.Max,
	} {
		require.Equal(t, want, usd.Floor(in), "%v", in)
	}
	rapid.Check(t, func(t *rapid.T) {
		dollars := rapid.Float64Range(-1e6, 1e6).Draw(t, "dollars")
		require.LessOrEqual(t, usd.Floor(dollars).Float(), dollars+1e-8)
		require.InDelta(t, dollars, usd.Floor(dollars).Float(), 2e-6)
	})
}

func TestOverIsTheHighestRateThatFits(t *testing.T) {
	require.Equal(t, usd.Max, usd.Amount(0).Over(0))
	require.Equal(t, usd.Max, usd.Max.Over(time.Minute))
	require.Zero(t, (-usd.Dollar).Over(time.Hour))
	rapid.Check(t, func(t *rapid.T) {
		a := usd.Amount(rapid.Int64Range(0, 1e12).Draw(t, "a"))
		d := time.Duration(rapid.Int64Range(int64(time.Second), int64(10_000*time.Hour)).Draw(t, "d"))
		rate := a.Over(d)
		require.LessOrEqual(t, rate.For(d), a)
		require.Greater(t, (rate + 1).For(d), a)
	})
}
