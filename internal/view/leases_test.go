package view_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

func fitsATerminal(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
	}
}

func TestTheTimeThatIsLeft(t *testing.T) {
	for left, want := range map[time.Duration]struct {
		text    string
		minutes int
	}{
		-time.Hour:                   {"over", -60},
		0:                            {"over", 0},
		time.Second:                  {"1m", 1},
		59 * time.Minute:             {"59m", 59},
		time.Hour:                    {"1h00m", 60},
		47*time.Hour + 6*time.Minute: {"47h06m", 2826},
		75 * time.Hour:               {"3d03h", 4500},
	} {
		v := view.OfLeases(rental.Leases{All: []rental.Leased{{Left: left, Most: new(usd.Dollar)}}}, 1)
		require.Equal(t, want.minutes, v.Leases[0].MinutesLeft)
		require.Contains(t, v.Text(), "  "+want.text+" ")
	}
}

// TestWhoEndsALeaseIsSaidOfEachWhereTheyDiffer and once where they do not.
func TestWhoEndsALeaseIsSaidOfEachWhereTheyDiffer(t *testing.T) {
	of := func(by ...[]string) string {
		var l rental.Leases
		for _, enforcers := range by {
			l.All = append(l.All, rental.Leased{
				Instance: vast.Instance{ID: 450010011, Label: strings.Repeat("ä", 90)}, EnforcedBy: enforcers, OnExpiry: "destroy",
				Left: time.Hour, Rate: 12_345_678, Spent: rental.Spent{Amount: 123_456_789, Estimated: true}, Most: new(usd.Amount(123_456_789)),
				IdleMinutes: 30, AfterPerDay: 1,
			})
		}
		text := view.OfLeases(l, 9).Text()
		fitsATerminal(t, text)
		return strings.Join(strings.Fields(text), " ")
	}
	same := of([]string{"server", "backstop"}, []string{"server", "backstop"})
	require.Equal(t, 1, strings.Count(same, "ended by"))
	require.Contains(t, same, "They are ended by this server while it runs, by the instance itself if its image can.")
	differ := of([]string{"server"}, nil)
	require.Contains(t, differ, "; ended by this server while it runs 4")
	require.Contains(t, differ, "; ended by a vast-mcp server while one runs Together")
	require.Contains(t, differ, "stopped after 30 idle minutes; then its disk costs $0.01 a day", "rounded up to a cent")
}

func TestAVolumeThatIsInUse(t *testing.T) {
	v := view.OfOrphans(rental.Orphans{Volumes: []rental.OrphanVolume{{Volume: vast.Volume{ID: 7, Name: "d\x1b[2Jata\n", Status: "attached", DiskGB: 20}}}}, 9, view.ByAgent)
	require.Equal(t, "vastai delete volume 7 # after destroying the instance that uses it", v.Orphans[0].Next)
	require.Equal(t, "d[2Jata", v.Orphans[0].Name)
	text := v.Text()
	fitsATerminal(t, text)
	require.Contains(t, text, "unknown", "since when the API does not say")
	require.Contains(t, strings.Join(strings.Fields(text), " "), "also when the instance that uses it is gone")
}
