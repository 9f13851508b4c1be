package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// TestAProcessThatDiedLeavesNewsAtOnce: an agent that restarts its server orders
// again within a second. Of a process that may be alive it is news only when it
// had the time to tell, and what a caller was told is none.
func TestAProcessThatDiedLeavesNewsAtOnce(t *testing.T) {
	ended := func(name string) func(*guard.Config) {
		return func(c *guard.Config) {
			c.Worker, c.Ended = name, func(worker string) bool { return strings.HasPrefix(worker, "dead") }
		}
	}
	for name, c := range map[string]struct {
		worker string
		after  time.Duration
		tells  bool
		news   bool
	}{
		"it died":                      {"dead/1", time.Second, false, true},
		"it was this one's number":     {"here/7", time.Second, false, true},
		"it may be at work":            {"alive/1", time.Second, false, false},
		"it would have told by now":    {"alive/1", 20 * time.Second, false, true},
		"it told":                      {"dead/1", time.Minute, true, false},
		"nobody knows who it was":      {"", time.Second, false, false},
		"it was long ago, and it runs": {"alive/1", 31 * time.Minute, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			first := newRig(t, ended(c.worker))
			g := first.granted(call("{}"), first.create(1))
			require.NoError(t, g.Move(t.Context(), journal.Sent, nil, journal.Prepared))
			require.NoError(t, g.Rented(t.Context(), 7, journal.Sent))
			if c.tells {
				require.NoError(t, g.Tell(t.Context(), true, "done", nil))
			}
			first.clock.pass(c.after)
			next := first.with(ended("here/7"))
			_, err := next.Quote(t.Context(), call("other"), next.create(1))
			if !c.news {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "an earlier order of yours was carried out, and its answer was lost: instance 7 at $0.000001/h")
			_, err = next.Quote(t.Context(), call("other"), next.create(1))
			require.NoError(t, err, "it is said once")
		})
	}
}
