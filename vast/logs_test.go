package vast_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestLogs(t *testing.T) {
	c, network, clock := clocked(t, fixture(t, "logs"), status(404, "<Error/>"), status(403, ""), failure(errReset), status(500, ""), ok("line 1\nline 2\n"))
	text, err := c.Instances.Logs(t.Context(), 7, vast.LogOptions{Tail: 50, Filter: "epoch", Daemon: true})
	require.NoError(t, err)
	require.Equal(t, "line 1\nline 2\n", text)
	require.Equal(t, seconds(.5, .75, 1.125, 1.6875), clock.sleeps)

	ask := network.sent[0]
	require.Equal(t, "PUT", ask.method)
	require.Equal(t, "/api/v0/instances/request_logs/7/", ask.path)
	require.JSONEq(t, `{"tail":"50","filter":"epoch","daemon_logs":"true"}`, ask.body)
	for _, fetch := range network.sent[1:] {
		require.Equal(t, "GET", fetch.method)
		require.Equal(t, "https://s3.amazonaws.com/vast.ai/instance_logs/5f0c2a91d7e84b36.log", fetch.url)
		require.Empty(t, fetch.header.Values("Authorization"))
	}
}

func TestLogsDefaults(t *testing.T) {
	c, network := scripted(t, fixture(t, "logs"), ok(""))
	text, err := c.Instances.Logs(t.Context(), 7, vast.LogOptions{})
	require.NoError(t, err)
	require.Empty(t, text)
	require.JSONEq(t, `{}`, network.sent[0].body)
}

func TestLogsThatNeverCome(t *testing.T) {
	c, _, clock := clocked(t, fixture(t, "logs"), status(404, ""))
	begin := clock.Now()
	_, err := c.Instances.Logs(t.Context(), 7, vast.LogOptions{})
	require.ErrorIs(t, err, vast.NotReady)
	took := clock.Now().Sub(begin)
	require.LessOrEqual(t, took, 45*time.Second)
	require.Greater(t, took, 40*time.Second)

	c, _, clock = clocked(t, fixture(t, "logs"), status(404, ""))
	begin = clock.Now()
	ctx, cancel := context.WithDeadline(t.Context(), begin.Add(5*time.Second))
	defer cancel()
	_, err = c.Instances.Logs(ctx, 7, vast.LogOptions{})
	require.ErrorIs(t, err, vast.NotReady)
	require.Less(t, clock.Now().Sub(begin), 5*time.Second)
}

func TestLogAddresses(t *testing.T) {
	redirect := func(to string) reply { return status(302, "").with("Location", to) }
	tests := map[string]struct {
		replies []reply
		code    vast.Code
		fetched int
	}{
		"own origin":           {[]reply{at("http://127.0.0.1:9/sim-s3/x.log"), ok("log")}, "", 1},
		"https":                {[]reply{at("https://store.example/x.log?sig=1"), ok("log")}, "", 1},
		"plain http elsewhere": {[]reply{at("http://store.example/x.log")}, vast.Refused, 0},
		"another port":         {[]reply{at("http://127.0.0.1:10/x.log")}, vast.Refused, 0},
		"a login":              {[]reply{at("https://u:p@store.example/x.log")}, vast.Refused, 0},
		"a file":               {[]reply{at("file:///etc/passwd")}, vast.Refused, 0},
		"no host":              {[]reply{at("/x.log")}, vast.Refused, 0},
		"not an address":       {[]reply{at("http://[")}, vast.Refused, 0},
		"none":                 {[]reply{ok(`{"success":true}`)}, vast.Garbled, 0},
		"redirected":           {[]reply{at("https://a.example/x"), redirect("https://b.example/x"), ok("log")}, "", 2},
		"redirected to http":   {[]reply{at("https://a.example/x"), redirect("http://169.254.169.254/x"), ok("log")}, vast.Refused, 1},
		"redirected for ever":  {[]reply{at("https://a.example/x"), redirect("https://a.example/x")}, vast.Refused, 4},
		"refused by the store": {[]reply{at("https://a.example/x"), status(410, "")}, vast.Refused, 1},
		"unknown instance":     {[]reply{status(404, `{"error":"invalid_id","msg":"Invalid instance id."}`)}, vast.NotFound, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			network := &script{replies: tt.replies}
			c, err := vast.NewClient(testKey, vast.WithTransport(network), vast.WithClock(newClock()), vast.WithBaseURL("http://127.0.0.1:9"))
			require.NoError(t, err)
			text, err := c.Instances.Logs(t.Context(), 7, vast.LogOptions{})
			require.Len(t, network.sent, 1+tt.fetched)
			if tt.code != "" {
				require.ErrorIs(t, err, tt.code)
				require.NotContains(t, err.Error(), "example")
				return
			}
			require.NoError(t, err)
			require.Equal(t, "log", text)
		})
	}
}

func at(address string) reply { return ok(`{"success":true,"result_url":` + quoted(address) + `}`) }

func TestLogsAreCapped(t *testing.T) {
	c, _ := scripted(t, fixture(t, "logs"), ok(strings.Repeat("x", 5<<20)))
	text, err := c.Instances.Logs(t.Context(), 7, vast.LogOptions{})
	require.NoError(t, err)
	require.Len(t, text, 4<<20)
}

// The store must not see the key even when it is the API's own host.
func TestLogsFromARealServer(t *testing.T) {
	var base string
	var withKey bool
	c, server := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.Write([]byte(`{"success":true,"result_url":"` + base + `/sim-s3/x.log"}`))
			return
		}
		withKey = r.Header.Get("Authorization") != ""
		w.Write([]byte("log"))
	})
	base = server.URL
	text, err := c.Instances.Logs(t.Context(), 7, vast.LogOptions{})
	require.NoError(t, err)
	require.Equal(t, "log", text)
	require.False(t, withKey)
}
