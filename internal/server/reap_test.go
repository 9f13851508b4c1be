package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
)

// bent is a way to the market on which something is wrong.
type bent struct {
	base  http.RoundTripper
	wrong func(req *http.Request, pass func() (*http.Response, error)) (*http.Response, error)
}

// RoundTrip passes on what is not wrong.
func (b bent) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.wrong(req, func() (*http.Response, error) { return b.base.RoundTrip(req) })
}

// body is an answer that the market did not give.
func body(req *http.Request, date time.Time, text string) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(text)),
	}
}

func isList(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/api/v1/instances/") }

func isOne(req *http.Request) bool {
	return strings.Contains(req.URL.Path, "/api/v0/instances/")
}

// TestReapingAHalfDeadAPI never says that it is done when it is not, and does
// what it still can.
func TestReapingAHalfDeadAPI(t *testing.T) {
	const nothing = `{"success":true,"instances":[],"instances_found":0,"total_instances":0,"next_token":null}`
	for name, c := range map[string]struct {
		wrong func(req *http.Request, pass func() (*http.Response, error)) (*http.Response, error)
		ends  bool
	}{
		"no instance has a page": {func(req *http.Request, pass func() (*http.Response, error)) (*http.Response, error) {
			if req.Method == http.MethodGet && isOne(req) {
				return body(req, time.Now(), `{"instances":null}`), nil
			}
			return pass()
		}, true},
		"pages fail": {func(req *http.Request, pass func() (*http.Response, error)) (*http.Response, error) {
			if req.Method == http.MethodGet && isOne(req) {
				return nil, fmt.Errorf("connection reset")
			}
			return pass()
		}, true},
		"no end works, and then the list is empty": {func() func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
			tried := false
			return func(req *http.Request, pass func() (*http.Response, error)) (*http.Response, error) {
				switch {
				case req.Method == http.MethodPut && isOne(req):
					tried = true
					return nil, fmt.Errorf("connection reset")
				case tried && isList(req):
					return body(req, time.Now(), nothing), nil
				}
				return pass()
			}
		}(), false},
		"the list is empty": {func(req *http.Request, pass func() (*http.Response, error)) (*http.Response, error) {
			if isList(req) {
				return body(req, time.Now(), `{"success":true}`), nil
			}
			return pass()
		}, false},
		"nobody tells the time": {func(_ *http.Request, pass func() (*http.Response, error)) (*http.Response, error) {
			resp, err := pass()
			if err == nil {
				resp.Header.Del("Date")
			}
			return resp, err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig.New(t, rig.Options{Market: sandbox.Options{Speed: 1}, Mode: guard.Operator})
				l := &leased{t, r, rent(t, r, rental.OnExpiryStop)}
				<-time.After(62 * time.Minute)
				round := reaper(t, r, rig.Options{Transport: func(base http.RoundTripper) http.RoundTripper { return bent{base, c.wrong} }}).App.Reap(t.Context(), time.Minute)
				require.False(t, round.Err == nil && len(round.Left) == 0 && l.running(), "it runs, and nothing is said to be left")
				require.Equal(t, c.ends, !l.running())
				if name == "nobody tells the time" {
					require.NotEmpty(t, round.Left, "which is said")
				}
			})
		})
	}
}

// reaper is a process that does nothing but end leases, beside r, with a journal
// of its own unless o says otherwise.
func reaper(t *testing.T, r *rig.Rig, o rig.Options) *rig.Rig {
	t.Helper()
	o.Beside, o.Market = r, sandbox.Options{Speed: 1}
	o.Configure = func(c *server.Config) { c.Reaper, c.EnforceEvery = true, time.Minute }
	return rig.New(t, o)
}

// TestAReaperWithoutTheJournal has only the label to go by: a damaged one is said,
// and one with an impossible end erases nothing.
func TestAReaperWithoutTheJournal(t *testing.T) {
	for name, c := range map[string]struct {
		label string // %s is the nonce
		says  string
		runs  bool
	}{
		"damaged":               {"a [vm:%s until:2020-01-01T00:00:00Z stop] note", "damaged", true},
		"no such date":          {"a [vm:%s until:2020-13-01T00:00:00Z stop]", "damaged", true},
		"over before it began":  {"a [vm:%s until:1999-01-01T00:00:00Z destroy]", "an end before its beginning", false},
		"of another instance":   {"a [vm:0000000abcdefghj until:2000-01-01T00:00:00Z destroy]", "not made when this one was", false},
		"later than any may be": {"a [vm:%s until:2099-01-01T00:00:00Z destroy]", "later than any", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig.New(t, rig.Options{Market: sandbox.Options{Speed: 1}, Mode: guard.Operator})
				l := &leased{t, r, rent(t, r, rental.OnExpiryDestroy)}
				label := c.label
				if strings.Contains(label, "%s") {
					label = fmt.Sprintf(label, l.tail().Nonce)
				}
				l.label(label)
				<-time.After(5 * time.Minute)
				round := reaper(t, r, rig.Options{}).App.Reap(t.Context(), 10*time.Minute)
				require.NoError(t, round.Err)
				require.NotZero(t, l.row().ID)
				require.Equal(t, c.runs, l.running())
				require.Len(t, round.Left, 1)
				require.Contains(t, round.Left[0].String(), c.says)
				require.Less(t, time.Since(sandboxEpoch), 6*time.Minute, "waiting would not change it")
			})
		})
	}
}

// sandboxEpoch is when a bubble's time begins.
var sandboxEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestACopyOfALeaseThatIsGone destroys nothing.
func TestACopyOfALeaseThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Speed: 1}, Mode: guard.Operator})
		l := &leased{t, r, rent(t, r, rental.OnExpiryDestroy)}
		label := l.row().Label
		require.NoError(t, r.Client.Instances.Destroy(t.Context(), l.id))
		l.order(label)
		<-time.After(65 * time.Minute)
		for _, o := range []rig.Options{{}, {Journal: r.Journal}} {
			reaper(t, r, o).App.Reap(t.Context(), time.Minute)
			require.NotZero(t, l.row().ID)
		}
		require.False(t, l.running())
	})
}

// TestAStartLeavesNothingWithoutALease: also what runs already is given one, if
// its own is over or it has none.
func TestAStartLeavesNothingWithoutALease(t *testing.T) {
	inLease(t, "", rig.Options{}, func(l *leased) {
		l.order("theirs")
		res := l.r.Call("start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":2}`, l.id))
		require.Equal(l.t, tool.ApprovalNeeded, res.Status)
		require.Contains(l.t, string(res.Structured), "which runs without a lease")
		l.r.Approve()
		res = l.r.Call("start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":2}`, l.id))
		require.Equal(l.t, tool.Done, res.Status)
		require.WithinDuration(l.t, time.Now().Add(2*time.Hour), l.tail().Until, time.Minute)

		again := l.r.Call("start_instance", fmt.Sprintf(`{"instance_id":%d,"lease_hours":9}`, l.id))
		require.Equal(l.t, tool.Done, again.Status)
		require.Contains(l.t, string(again.Structured), "extend_lease makes it longer")
		<-time.After(2*time.Hour + 5*time.Minute)
		require.False(l.t, l.running())
	})
}

// TestNobodyTurnsTheBackstopOff by variables that it lives by.
func TestNobodyTurnsTheBackstopOff(t *testing.T) {
	r := rig.New(t, rig.Options{Mode: guard.Operator})
	for _, name := range []string{"CONTAINER_ID", "CONTAINER_API_KEY", "VAST_MCP_RENTAL", "VAST_MCP_POLL"} {
		no := r.Fails(tool.InvalidArguments, "create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"a/b","env":{%q:"1"}}`, r.Offer("RTX 4090"), name))
		require.Contains(t, no.Message, name)
	}
}

// TestAReaperThatMayNotEndAnything is not counted on.
func TestAReaperThatMayNotEndAnything(t *testing.T) {
	r := rig.New(t, rig.Options{Mode: guard.Operator, Configure: func(c *server.Config) { c.Fingerprint = "mine" }})
	args := fmt.Sprintf(`{"offer_id":%d,"image":"a/b"}`, r.Offer("RTX 4090"))
	for key, counts := range map[string]bool{"another": false, "mine": true} {
		other := rig.New(t, rig.Options{Beside: r, Journal: r.Journal, Configure: func(c *server.Config) {
			c.Reaper, c.EnforceEvery, c.Fingerprint = true, time.Minute, key
		}})
		require.NoError(t, other.App.Round(t.Context()).Err)
		require.Equal(t, counts, strings.Contains(string(r.Call("create_instance", args).Structured), `"reaper"`), key)
	}
}
