package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func fault(t *testing.T, s string) sandbox.Fault {
	t.Helper()
	f, err := sandbox.ParseFault(s)
	require.NoError(t, err)
	return f
}

func TestParseFault(t *testing.T) {
	for s, want := range map[string]sandbox.Fault{
		"create:after:drop:1":         {Op: "create", When: "after", Drop: true, Count: 1},
		"create:after:502:2":          {Op: "create", When: "after", Status: 502, Count: 2},
		"search:before:delay=30000:1": {Op: "search", When: "before", DelayMS: 30000, Count: 1},
		"list:before:429":             {Op: "list", When: "before", Status: 429, Count: 1},
	} {
		require.Equal(t, want, fault(t, s), s)
	}
	for s, says := range map[string]string{
		"create":                 "op:when:what:count",
		"create:after:drop:1:2":  "op:when:what:count",
		"rent:after:drop:1":      "create, ",
		"create:during:drop:1":   "before or after",
		"create:after:lose:1":    "drop, a status such as 502, or delay=MILLISECONDS",
		"create:after:delay=x:1": "delay=MILLISECONDS",
		"create:after:700:1":     "200 to 599",
		"create:after:drop:0":    "count",
		"create:after:drop:x":    "count",
		"create:after:delay=0:1": "it says none",
		"get:before:delay=-5:1":  "delay",
	} {
		_, err := sandbox.ParseFault(s)
		require.ErrorContains(t, err, says, s)
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("create:after:drop:1")
	f.Add("create:before:delay=30000:1")
	f.Add("::::")
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := sandbox.ParseFault(s)
		if err != nil {
			return
		}
		_, err = sandbox.Open(sandbox.Options{Faults: []sandbox.Fault{parsed}})
		require.NoError(t, err, "what parses can be used")
	})
}

func TestFaultsBeforeAndAfterTheEffect(t *testing.T) {
	for name, c := range map[string]struct {
		fault   string
		rented  int
		dropped bool
	}{
		"refused":            {"create:before:503:1", 0, false},
		"lost on the way":    {"create:before:drop:1", 0, true},
		"answer lost":        {"create:after:drop:1", 1, true},
		"answer overwritten": {"create:after:502:1", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sandbox.Options{Faults: []sandbox.Fault{fault(t, c.fault)}})
			offer := r.cheap(nil)[3]["id"]
			res, text, err := r.send("PUT", "/api/v0/asks/"+itoa(offer)+"/", obj{"image": "x"})
			if c.dropped {
				require.ErrorIs(t, err, syscall.ECONNRESET)
			} else {
				require.NoError(t, err)
				require.Contains(t, []int{502, 503}, res.StatusCode)
				require.Equal(t, "text/html", res.Header.Get("Content-Type"))
				require.Contains(t, string(text), "<html>")
			}
			require.Len(t, r.do(200, "GET", "/api/v1/instances/", nil)["instances"], c.rented)
			r.rent(r.cheap(nil)[5]["id"], nil) // it struck once
		})
	}
}

func TestFaultsByOperation(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	for op, call := range map[string][3]any{
		"get":        {"GET", path(id), nil},
		"list":       {"GET", "/api/v1/instances/", nil},
		"start":      {"PUT", path(id), obj{"state": "running"}},
		"stop":       {"PUT", path(id), obj{"state": "stopped"}},
		"label":      {"PUT", path(id), obj{"label": "x"}},
		"search":     {"POST", bundles, obj{}},
		"gpu_names":  {"GET", "/api/v0/gpu_names/unique/", nil},
		"user":       {"GET", "/api/v0/users/current/", nil},
		"ssh_list":   {"GET", "/api/v0/ssh/", nil},
		"ssh_add":    {"POST", "/api/v0/ssh/", obj{"ssh_key": "x"}},
		"ssh_attach": {"POST", path(id) + "ssh/", obj{"ssh_key": "x"}},
		"charges":    {"GET", charged(0, 1), nil},
		"templates":  {"GET", "/api/v0/template/", nil},
		"logs":       {"PUT", "/api/v0/instances/request_logs/1/", obj{}},
		"destroy":    {"DELETE", path(id), obj{}},
	} {
		r.do(200, "POST", "/__sandbox/faults", obj{"op": op, "when": "before", "status": 418, "body": `{"msg":"tea"}`})
		out := r.do(418, call[0].(string), call[1].(string), call[2])
		require.Equal(t, "tea", out["msg"], op)
	}
	require.Equal(t, "running", r.instance(id)["intended_status"])
}

func TestPostedFaults(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "POST", "/__sandbox/faults", `[{"op":"user","when":"before","status":429},{"op":"user","when":"after","status":500,"count":2},{"op":"user","when":"before","status":400,"body":"plain"}]`)
	res, text, err := r.send("GET", "/api/v0/users/current/", nil)
	require.NoError(t, err)
	require.Equal(t, 429, res.StatusCode)
	require.Equal(t, "10", res.Header.Get("Retry-After"))
	require.Contains(t, string(text), `"retry_after":10,"limit":5.0,"remaining":0`)
	res, text, err = r.send("GET", "/api/v0/users/current/", nil)
	require.NoError(t, err)
	require.Equal(t, []any{400, "plain", "text/plain"}, []any{res.StatusCode, string(text), res.Header.Get("Content-Type")})
	for range 2 {
		require.Equal(t, "server_error", r.do(500, "GET", "/api/v0/users/current/", nil)["error"])
	}
	r.do(200, "GET", "/api/v0/users/current/", nil)

	for _, body := range []string{"", "{", `{"op":"user"}`, `[{"op":"user","when":"before"}]`, `{"op":"user","when":"before","status":500,"tiems":2}`} {
		r.do(400, "POST", "/__sandbox/faults", body)
	}
	r.do(404, "GET", "/__sandbox/faults", nil)
	r.do(404, "GET", "/__sandbox/", nil)
}

func TestControlsAreForLoopback(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for from, status := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "203.0.113.9:5": 403, "nonsense": 403, "": 403} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest("GET", "/__sandbox/ledger", nil)
		req.RemoteAddr = from
		r.m.ServeHTTP(w, req)
		require.Equal(t, status, w.Code, from)
	}
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{Faults: []sandbox.Fault{fault(t, "user:before:delay=30000:1"), fault(t, "create:before:delay=30000:1"), fault(t, "create:after:delay=30000:1")}})
		began := time.Now()
		r.do(200, "GET", "/api/v0/users/current/", nil)
		require.Equal(t, 30*time.Second, time.Since(began))

		offer := r.cheap(nil)[3]["id"]
		for _, rented := range []int{0, 1} { // given up before the effect, and after
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			req, err := http.NewRequestWithContext(ctx, "PUT", r.m.Origin()+"/api/v0/asks/"+itoa(offer)+"/", strings.NewReader(`{"image":"x"}`))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+sandbox.DefaultKey)
			_, err = (&http.Client{Transport: r.m.Transport()}).Do(req)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			require.Len(t, r.do(200, "GET", "/api/v1/instances/", nil)["instances"], rented)
		}
	})
}

func TestRateLimit(t *testing.T) {
	r := newRig(t, sandbox.Options{RateLimited: true, Speed: 1000})
	for range 5 {
		r.do(200, "GET", "/api/v0/users/current/", nil)
		r.pass(time.Second)
	}
	res, text, err := r.send("POST", bundles, "{}")
	require.NoError(t, err)
	require.Equal(t, 429, res.StatusCode)
	require.JSONEq(t, `{"error":"HTTPTooManyRequests","msg":"API requests too frequent","retry_after":5,"limit":5.0,"remaining":0}`, string(text))
	require.Contains(t, string(text), `"limit":5.0`)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Server": "gunicorn", "X-Ratelimit-Limit": "5.0",
		"X-Ratelimit-Remaining": "0", "Retry-After": "5", "X-Ratelimit-Reset": "1772443810",
	} {
		require.Equal(t, want, res.Header.Get(name), name)
	}
	r.as("").do(200, "GET", "/api/v0/gpu_names/unique/", nil) // another identity
	r.do(200, "GET", "/__sandbox/ledger", nil)
	r.pass(5 * time.Second)
	r.do(200, "GET", "/api/v0/users/current/", nil)
}

// Beside the shared budget, operations have a pace of their own, and some
// make the impatient wait longer.
func TestThresholds(t *testing.T) {
	r := newRig(t, sandbox.Options{RateLimited: true, Speed: 1000})
	const ask = "/api/v0/asks/1/"
	wait := func(status int, method, path string) float64 {
		t.Helper()
		res, text, err := r.send(method, path, obj{})
		require.NoError(t, err)
		require.Equal(t, status, res.StatusCode, "%s", text)
		if status != 429 {
			return 0
		}
		var out obj
		require.NoError(t, json.Unmarshal(text, &out))
		require.Equal(t, itoa(out["retry_after"]), res.Header.Get("Retry-After"))
		require.Equal(t, "HTTPTooManyRequests", out["error"])
		return num(out, "retry_after")
	}
	wait(200, "GET", "/api/v1/instances/")
	require.EqualValues(t, 1, wait(429, "GET", "/api/v1/instances/"))
	wait(200, "GET", path(1))
	wait(200, "GET", "/api/v0/users/current/") // it has no pace of its own
	wait(200, "GET", "/api/v0/users/current/")
	r.pass(20 * time.Second)

	wait(400, "PUT", ask)
	r.pass(4 * time.Second)
	require.EqualValues(t, 12, wait(429, "PUT", ask), "the penalty")
	r.pass(11 * time.Second)
	require.EqualValues(t, 12, wait(429, "PUT", ask), "again")
	r.pass(12 * time.Second)
	wait(400, "PUT", ask)

	for range 10 {
		r.pass(2500 * time.Millisecond)
		wait(200, "POST", bundles)
	}
	r.pass(2500 * time.Millisecond)
	require.EqualValues(t, 35, wait(429, "POST", bundles), "ten a minute")
}

func TestTransport(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	client := &http.Client{Transport: r.m.Transport()}
	req, err := http.NewRequest("GET", r.m.Origin()+"/api/v0/users/current?owner=me", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+sandbox.DefaultKey)
	res, err := client.Do(req)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode, "it follows the redirect")
	require.Equal(t, "/api/v0/users/current/", res.Request.URL.Path)
	require.Positive(t, res.ContentLength)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.m.Transport().RoundTrip(req.WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)

	broken, err := http.NewRequest("POST", r.m.Origin()+bundles, panicky{})
	require.NoError(t, err)
	_, err = r.m.Transport().RoundTrip(broken)
	require.ErrorContains(t, err, "the handler panicked: on purpose")
	large, err := http.NewRequest("POST", r.m.Origin()+bundles, strings.NewReader(strings.Repeat(" ", 2<<20)))
	require.NoError(t, err)
	res, err = r.m.Transport().RoundTrip(large)
	require.NoError(t, err)
	require.Equal(t, 400, res.StatusCode)
}

type panicky struct{}

func (panicky) Read([]byte) (int, error) { panic("on purpose") }

// The same handler behind a socket.
func TestServer(t *testing.T) {
	r := newRig(t, sandbox.Options{Faults: []sandbox.Fault{fault(t, "user:after:drop:1")}})
	server := httptest.NewServer(r.m)
	defer server.Close()
	get := func(url string, header ...string) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		require.NoError(t, err)
		if len(header) > 0 {
			req.Header.Set("Authorization", header[0])
		}
		res, err := server.Client().Do(req)
		if err != nil {
			return nil, "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, string(text), nil
	}
	_, _, err := get(server.URL+"/api/v0/users/current/", "Bearer "+sandbox.DefaultKey)
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), "%v", err)
	res, text, err := get(server.URL+"/api/v0/users/current/", "Bearer "+sandbox.DefaultKey)
	require.NoError(t, err)
	require.Contains(t, text, `"credit":100`)
	require.Equal(t, []string{epoch.Format(http.TimeFormat)}, res.Header["Date"])
	require.Equal(t, []string{"application/json"}, res.Header["Content-Type"])
	_, text, err = get(server.URL + "/__sandbox/ledger")
	require.NoError(t, err)
	require.Contains(t, text, "credit_micro_dollars")

	id := r.up(3, nil)
	req, err := http.NewRequest("PUT", server.URL+"/api/v0/instances/request_logs/"+itoa(float64(id))+"/", strings.NewReader("{}"))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+sandbox.DefaultKey)
	res, err = server.Client().Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"result_url":"`+server.URL+`/sim-s3/`)
}
