package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/stretchr/testify/require"

	"vast-mcp/internal/journaltest"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/vast"
)

// idle puts a machine without work beside the server and waits until it runs.
func (l *leased) idle(more string) {
	l.t.Helper()
	var made struct {
		InstanceID vast.InstanceID `json:"instance_id"`
	}
	res := l.r.Approved("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"sandbox/idle","label":"mine"%s}`, l.r.Offer("RTX 4090"), more))
	require.Equal(l.t, tool.Done, res.Status)
	require.NoError(l.t, json.Unmarshal(res.Structured, &made))
	for l.id = made.InstanceID; l.row().Status != "running"; {
		<-time.After(time.Second)
	}
}

func TestWhatIdlesIsStopped(t *testing.T) {
	inLease(t, "", rig.Options{}, func(l *leased) {
		l.idle(`,"stop_when_idle_minutes":10,"on_expiry":"destroy"`)
		<-time.After(10 * time.Minute)
		require.True(l.t, l.running(), "not before its time")
		<-time.After(2 * time.Minute)
		require.NotZero(l.t, l.row().ID, "it is stopped, not erased")
		require.False(l.t, l.running())
		require.Contains(l.t, l.r.Log.String(), "stopped before its lease ended: its GPUs idled for 10 min")
		stops := l.r.Requests("PUT", "/instances/")
		<-time.After(time.Hour)
		require.Equal(l.t, stops, l.r.Requests("PUT", "/instances/"), "once")
		events := journaltest.Events(l.t, l.r.Journal, realmOf(l.t, l.r))
		require.True(l.t, slices.ContainsFunc(events, func(e journal.Event) bool {
			return e.Kind == "lease" && strings.Contains(string(e.Data), "its GPUs idled for 10 min")
		}))
	})
}

// TestWhatWorksIsNotStopped, nor what may be at work, nor what nobody looked at
// meanwhile.
func TestWhatWorksIsNotStopped(t *testing.T) {
	for name, c := range map[string]struct {
		lease string
		use   func(minute int) string // of the GPUs, as the API tells it
		stops int                     // the minute; zero: not in two hours
	}{
		"at work":              {`,"stop_when_idle_minutes":10`, func(int) string { return "97" }, 0},
		"not known":            {`,"stop_when_idle_minutes":10`, func(int) string { return "null" }, 0},
		"now and then":         {`,"stop_when_idle_minutes":10`, func(m int) string { return fmt.Sprint((m + 1) % 9) }, 0},
		"until it is done":     {`,"stop_when_idle_minutes":10`, func(m int) string { return fmt.Sprint(max(0, 60-m)) }, 67},
		"known since":          {`,"stop_when_idle_minutes":10`, func(m int) string { return map[bool]string{true: "null", false: "0"}[m < 30] }, 41},
		"a lease that lets it": {"", func(int) string { return "0" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var use atomic.Pointer[string]
			use.Store(new("97"))
			o := rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
				return rewritten{next, func(body []byte) []byte {
					return regexp.MustCompile(`"gpu_util":[0-9.]+`).ReplaceAll(body, []byte(`"gpu_util":`+*use.Load()))
				}}
			}}
			inLease(t, "", o, func(l *leased) {
				l.idle(c.lease)
				stopped := 0
				for minute := range 120 {
					use.Store(new(c.use(minute)))
					<-time.After(time.Minute)
					if stopped == 0 && !l.running() {
						stopped = minute
					}
				}
				require.InDelta(l.t, c.stops, stopped, 1)
			})
		})
	}
}

// TestWhatNobodyLookedAtIsNotIdle: the API was away, and the count begins anew.
func TestWhatNobodyLookedAtIsNotIdle(t *testing.T) {
	var away atomic.Bool
	o := rig.Options{Transport: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if away.Load() {
				return nil, fmt.Errorf("no route to host")
			}
			return next.RoundTrip(req)
		})
	}}
	inLease(t, "", o, func(l *leased) {
		l.idle(`,"stop_when_idle_minutes":30`)
		<-time.After(20 * time.Minute)
		away.Store(true)
		<-time.After(20 * time.Minute)
		away.Store(false)
		<-time.After(29 * time.Minute)
		require.True(l.t, l.running())
		<-time.After(5 * time.Minute)
		require.False(l.t, l.running())
	})
}

// TestIdlingIsSaid wherever instances are shown, and nothing is done about it
// that no lease asks for.
func TestIdlingIsSaid(t *testing.T) {
	inLease(t, "", rig.Options{}, func(l *leased) {
		l.idle("")
		one := fmt.Sprintf(`{"instance_id":%d}`, l.id)
		shown := func() string {
			return l.ask("resources/read", `{"uri":"vast://instances"}`) + l.ask("resources/read", fmt.Sprintf(`{"uri":"vast://instances/%d"}`, l.id)) +
				l.ask("resources/read", `{"uri":"vast://account"}`) + l.ask("prompts/get", `{"name":"cost_review"}`) +
				l.ask("tools/call", `{"name":"list_instances"}`) + l.ask("tools/call", `{"name":"get_instance","arguments":`+one+`}`) + l.ask("tools/call", `{"name":"get_account"}`)
		}
		<-time.After(29 * time.Minute)
		require.NotRegexp(l.t, `idle_|GPUs idle|instances idle|, idle`, shown())
		<-time.After(2 * time.Minute)
		text := shown()
		for words, times := range map[string]int{
			`ready, idle  1x RTX 4090`:                                  2, // by list_instances and the prompt
			`GPUs idle since 20\d\d-\S+Z: stop_instance ends that cost`: 1,
			`1 of 1 running instances idle: \$0.25\d*/h`:                2,
			`"idle_since\W+20\d\d-[^"]+Z`:                               4,
			`"idle_instances\W+1\W+idle_dollars_per_hour\W+0.25`:        2,
		} {
			require.Len(l.t, regexp.MustCompile(words).FindAllString(text, -1), times, "%s in %s", words, text)
		}
		same := l.ask("resources/read", `{"uri":"vast://instances"}`)
		<-time.After(10 * time.Minute)
		require.Equal(l.t, same, l.ask("resources/read", `{"uri":"vast://instances"}`), "the same state gives the same bytes")
		<-time.After(5 * time.Hour)
		require.True(l.t, l.running())
	})
}

// ask is the result of a request, with everything that a client sees of it.
func (l *leased) ask(method, params string) string {
	l.t.Helper()
	request := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	answer, ok := l.r.App.MCP().HandleMessage(l.t.Context(), json.RawMessage(request)).(mcp.JSONRPCResponse)
	require.True(l.t, ok)
	text, err := json.Marshal(answer.Result)
	require.NoError(l.t, err)
	return string(text)
}
