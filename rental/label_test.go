package rental_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/rental"
)

const tail = "[vm:1hy3k8r0abcdefgh until:2026-11-21T13:00:00Z stop]"

func TestParseLabel(t *testing.T) {
	for _, c := range []struct {
		label, text string
		ok          bool
	}{
		{tail, "", true},
		{"train-a " + tail, "train-a", true},
		{"train-a " + tail + " \n", "train-a", true},
		{"a  " + tail, "a ", true},
		{"train-a", "train-a", false},
		{"", "", false},
		{"train-a " + tail + " copy", "", false},
		{tail + " " + tail, "", false},
		{"x [vm: " + tail, "", false},
		{"[vm:1hy3k8r0abcdefgh until:2026-13-41T13:00:00Z stop]", "", false},
		{"[vm:1hy3k8r0abcdefgh until:2026-11-21T13:00:00Z keep]", "", false},
		{"[vm:1hy3k8r0abcdefgh until:2026-11-21T13:00+00:00 stop]", "", false},
		{"[vm:1HY3K8R0ABCDEFGH until:2026-11-21T13:00:00Z stop]", "", false},
		{"[vm:1hy3k8r0abcdefg until:2026-11-21T13:00:00Z stop]", "", false},
		{"[vm:1hy3k8r0abcdefgh until:2026-11-21T13:00:00Z stop idle:30]", "", false},
		{"[vm:1hy3k8r0abcdefgh until:2026-11-21T13:00:00Z stop idle:30000m]", "", false},
	} {
		text, got, ok := rental.ParseLabel(c.label)
		require.Equal(t, c.ok, ok, "%q", c.label)
		if !ok {
			require.Equal(t, c.label, text, "a label without a tail is all text")
			continue
		}
		require.Equal(t, c.text, text)
		require.Equal(t, rental.Tail{Nonce: "1hy3k8r0abcdefgh", Until: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC), OnExpiry: "stop"}, got)
	}
}

func tails() *rapid.Generator[rental.Tail] {
	return rapid.Custom(func(t *rapid.T) rental.Tail {
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "unix"), 0).UTC()
		return rental.Tail{
			Nonce: rental.NewNonce(at), Until: at, OnExpiry: rapid.SampledFrom([]string{rental.OnExpiryStop, rental.OnExpiryDestroy}).Draw(t, "on_expiry"),
			IdleMinutes: rapid.IntRange(0, 9999).Draw(t, "idle"),
		}
	})
}

// TestLabelRoundTrip: the tail survives every text, no text forges one, and the
// whole fits.
func TestLabelRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tails().Draw(t, "tail")
		text := rapid.OneOf(rapid.String(), rapid.Just("x "+tail), rapid.StringMatching(`.{0,300}`), rapid.Just("[vm[vm::")).Draw(t, "text")
		label := rental.FormatLabel(text, want, 256)
		require.LessOrEqual(t, len(label), 256)
		require.True(t, utf8.ValidString(label))
		kept, got, ok := rental.ParseLabel(label)
		require.True(t, ok, "%q", label)
		require.Equal(t, want, got)
		require.NotContains(t, kept, "[vm:")
		again := rental.FormatLabel(kept, got, 256)
		require.Equal(t, label, again, "what was read is written the same")
	})
}

func TestPlainTextSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9._-]([ a-zA-Z0-9._-]{0,100}[a-zA-Z0-9._-])?`).Draw(t, "text")
		kept, _, ok := rental.ParseLabel(rental.FormatLabel(text, tails().Draw(t, "tail"), 256))
		require.True(t, ok)
		require.Equal(t, text, kept)
	})
}

func TestNonce(t *testing.T) {
	at := time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for range 1000 {
		n := rental.NewNonce(at)
		require.Regexp(t, `^[0-9a-hjkmnp-tv-z]{16}$`, n)
		require.False(t, seen[n])
		seen[n] = true
	}
	require.Equal(t, rental.NewNonce(at)[:7], rental.NewNonce(at)[:7], "it begins with its mint time")
	require.Less(t, rental.NewNonce(at)[:7], rental.NewNonce(at.Add(time.Second))[:7], "and sorts by it")
}

func FuzzParseLabel(f *testing.F) {
	f.Add("train-a " + tail)
	f.Add("[vm:")
	f.Add(strings.Repeat("[vm:1hy3k8r0abcdefgh until:", 3))
	f.Fuzz(func(t *testing.T, label string) {
		text, got, ok := rental.ParseLabel(label)
		if !ok {
			require.Equal(t, label, text)
			return
		}
		_, again, ok := rental.ParseLabel(rental.FormatLabel(text, got, 1024))
		require.True(t, ok)
		require.Equal(t, got, again)
	})
}
