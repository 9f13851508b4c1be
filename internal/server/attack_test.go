package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/internal/tool"
)

const (
	tokenOfAnn = "token-of-ann-0123456789abcdef"
	tokenOfBob = "token-of-bob-0123456789abcdef"

	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	listTools  = `{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}`
)

func annAndBob(t *testing.T) server.HTTP {
	t.Helper()
	tokens, err := server.ParseTokens("# who may come in\nann " + tokenOfAnn + "\nbob " + tokenOfBob + "\n")
	require.NoError(t, err)
	return server.HTTP{Tokens: tokens}
}

// attack is one request that must be refused.
type attack struct {
	method string
	path   string
	header map[string]string
	body   string
	status int
}

// answer sends the request as it stands, for a client library would tidy it up.
func (a attack) answer(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	head := map[string]string{"Host": address, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
	maps.Copy(head, a.header)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", a.method, a.path)
	for name, value := range head {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(a.body), a.body)
	go func() { _, _ = conn.Write(b.Bytes()) }() // a server that refuses does not read to the end
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func TestAttacksAreRefused(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	url := serveHTTP(t, r, annAndBob(t))
	ann, bob := "Bearer "+tokenOfAnn, "Bearer "+tokenOfBob
	opened := func(authorization string) string {
		status, header, _ := attack{method: "POST", path: "/mcp", header: map[string]string{"Authorization": authorization}, body: initialize}.answer(t, url)
		require.Equal(t, http.StatusOK, status)
		return header.Get("Mcp-Session-Id")
	}
	annsSession, ended := opened(ann), opened(ann)
	gone, _, _ := attack{method: "DELETE", path: "/mcp", header: map[string]string{"Authorization": ann, "Mcp-Session-Id": ended}}.answer(t, url)
	require.Equal(t, http.StatusOK, gone)

	for name, a := range map[string]attack{
		"no token":                   {"POST", "/mcp", nil, initialize, 401},
		"wrong token":                {"POST", "/mcp", map[string]string{"Authorization": "Bearer " + tokenOfAnn + "x"}, initialize, 401},
		"empty token":                {"POST", "/mcp", map[string]string{"Authorization": "Bearer "}, initialize, 401},
		"token without a scheme":     {"POST", "/mcp", map[string]string{"Authorization": tokenOfAnn}, initialize, 401},
		"basic":                      {"POST", "/mcp", map[string]string{"Authorization": "Basic " + tokenOfAnn}, initialize, 401},
		"token in the query":         {"POST", "/mcp?access_token=" + tokenOfAnn + "&token=" + tokenOfAnn, nil, initialize, 401},
		"evil origin":                {"POST", "/mcp", map[string]string{"Authorization": ann, "Origin": "https://evil.example"}, initialize, 403},
		"null origin":                {"POST", "/mcp", map[string]string{"Authorization": ann, "Origin": "null"}, initialize, 403},
		"page on another port":       {"POST", "/mcp", map[string]string{"Authorization": ann, "Origin": "http://127.0.0.1:1"}, initialize, 403},
		"evil host":                  {"POST", "/mcp", map[string]string{"Authorization": ann, "Host": "evil.example"}, initialize, 403},
		"rebound host":               {"POST", "/mcp", map[string]string{"Authorization": ann, "Host": "127.0.0.1.evil.example"}, initialize, 403},
		"2 MB":                       {"POST", "/mcp", map[string]string{"Authorization": ann}, `{"x":"` + strings.Repeat("a", 2<<20) + `"}`, 413},
		"2 MB without a token":       {"POST", "/mcp", nil, strings.Repeat("a", 2<<20), 401},
		"made-up session":            {"POST", "/mcp", map[string]string{"Authorization": ann, "Mcp-Session-Id": "mcp-session-4f6c1f7e-54f6-4b8c-9b3e-1f0d5a1c2b3d"}, listTools, 404},
		"another's session":          {"POST", "/mcp", map[string]string{"Authorization": bob, "Mcp-Session-Id": annsSession}, listTools, 404},
		"ending another's":           {"DELETE", "/mcp", map[string]string{"Authorization": bob, "Mcp-Session-Id": annsSession}, "", 404},
		"ended session":              {"POST", "/mcp", map[string]string{"Authorization": ann, "Mcp-Session-Id": ended}, listTools, 404},
		"no session":                 {"POST", "/mcp", map[string]string{"Authorization": ann}, listTools, 400},
		"ending no session":          {"DELETE", "/mcp", map[string]string{"Authorization": ann}, "", 400},
		"host with a port of a name": {"POST", "/mcp", map[string]string{"Authorization": ann, "Host": "127.0.0.1:80.evil.example"}, initialize, 403},
		"origin with a user":         {"POST", "/mcp", map[string]string{"Authorization": ann, "Host": "127.0.0.1:1", "Origin": "http://me@127.0.0.1:1"}, initialize, 403},
		"origin with a path":         {"POST", "/mcp", map[string]string{"Authorization": ann, "Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:1/x"}, initialize, 403},
		"two tokens":                 {"POST", "/mcp", map[string]string{"Authorization": ann + "\r\nAuthorization: " + bob}, initialize, 400},
		"two names in the header": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "get_account\r\nMcp-Name: create_instance"},
			modernCall("get_account", `{}`), 400,
		},
		"two methods in the header": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call\r\nMcp-Method: tools/list", "Mcp-Name": "get_account"},
			modernCall("get_account", `{}`), 400,
		},
		"two sessions":            {"POST", "/mcp", map[string]string{"Authorization": ann, "Mcp-Session-Id": annsSession + "\r\nMcp-Session-Id: x"}, listTools, 400},
		"two methods in the body": {"POST", "/mcp", map[string]string{"Authorization": ann}, `{"method":"tools/call",` + initialize[1:], 400},
		"a method in capitals":    {"POST", "/mcp", map[string]string{"Authorization": ann}, strings.Replace(initialize, `"method"`, `"Method"`, 1), 400},
		"another tool in capitals": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "get_account"},
			strings.Replace(modernCall("get_account", `{}`), `"name"`, `"NAME":"create_instance","name"`, 1), 400,
		},
		"an argument twice": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "get_account"},
			modernCall("get_account", `{"a":1,"a":2}`), 400,
		},
		"2 MB announced":         {"POST", "/mcp", map[string]string{"Authorization": ann, "Expect": "100-continue"}, strings.Repeat("a", 2<<20), 413},
		"stream of a stranger":   {"GET", "/mcp", map[string]string{"Authorization": bob, "Mcp-Session-Id": annsSession}, "", 405},
		"stream without a token": {"GET", "/mcp", map[string]string{"Mcp-Session-Id": annsSession}, "", 401},
		"another method":         {"PUT", "/mcp", map[string]string{"Authorization": ann}, initialize, 405},
		"an answer to nothing":   {"POST", "/mcp", map[string]string{"Authorization": ann, "Mcp-Session-Id": annsSession}, `{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}`, 400},
		"not JSON":               {"POST", "/mcp", map[string]string{"Authorization": ann}, "{broken", 400},
		"method in the header": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"},
			modernCall("get_account", `{}`), 400,
		},
		"name in the header": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "get_account"},
			modernCall("destroy_instance", `{"instance_ids":[1]}`), 400,
		},
		"version in the header": {
			"POST", "/mcp",
			map[string]string{"Authorization": ann, "Mcp-Protocol-Version": "2025-11-25", "Mcp-Session-Id": annsSession},
			modernCall("get_account", `{}`), 400,
		},
		"path //mcp":           {"POST", "//mcp", nil, initialize, 404},
		"path /mcp/":           {"POST", "/mcp/", nil, initialize, 404},
		"path /MCP":            {"POST", "/MCP", nil, initialize, 404},
		"path /%6dcp":          {"POST", "/%6dcp", nil, initialize, 404},
		"path /healthz/../mcp": {"POST", "/healthz/../mcp", nil, initialize, 404},
		"path /mcp;a=b":        {"POST", "/mcp;a=b", nil, initialize, 404},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, body := a.answer(t, url)
			require.Equal(t, a.status, status, body)
			require.NotContains(t, body, tokenOfAnn)
			require.NotContains(t, body, annsSession)
			require.Empty(t, header.Get("Mcp-Session-Id"))
			require.Less(t, len(body), 400)
			if status == http.StatusUnauthorized {
				require.Contains(t, header.Get("WWW-Authenticate"), "Bearer")
			}
		})
	}
	status, _, _ := attack{method: "POST", path: "/mcp", header: map[string]string{"Authorization": ann, "Mcp-Session-Id": annsSession}, body: listTools}.answer(t, url)
	require.Equal(t, http.StatusOK, status, "and its owner still has the session")
	require.NotContains(t, r.Log.String(), tokenOfAnn)
	require.NotContains(t, r.Log.String(), r.Market.Key())
	require.NotContains(t, r.Log.String(), annsSession, "which is as good as a key where no token is asked for")
	require.Zero(t, r.Requests("", ""), "none of it reached the API")
}

// TestAStreamIsItsOwnersToo: where streams are offered at all.
func TestAStreamIsItsOwnersToo(t *testing.T) {
	h := annAndBob(t)
	h.Unasked = true
	url := serveHTTP(t, rig.New(t, rig.Options{Market: fast()}), h)
	_, header, _ := attack{method: "POST", path: "/mcp", header: map[string]string{"Authorization": "Bearer " + tokenOfAnn}, body: initialize}.answer(t, url)
	for status, session := range map[int]string{http.StatusNotFound: header.Get("Mcp-Session-Id"), http.StatusMethodNotAllowed: ""} {
		got, _, body := attack{method: "GET", path: "/mcp", header: map[string]string{"Authorization": "Bearer " + tokenOfBob, "Mcp-Session-Id": session}}.answer(t, url)
		require.Equal(t, status, got, body)
	}
}

func modernCall(tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, tool, args)
}

// TestNobodyCancelsAnothersCall: requests without a session all share one space
// of numbers inside the library.
func TestNobodyCancelsAnothersCall(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast()})
			url := serveHTTP(t, r, annAndBob(t))
			ann := dialHTTP(t, url, way{"http", version, tokenOfAnn}, canAsk, yes)
			bob := dialHTTP(t, url, way{"http", version, tokenOfBob}, canAsk, yes)
			var made struct {
				InstanceID int64 `json:"instance_id"`
			}
			res := ann.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090")))
			require.NoError(t, json.Unmarshal(res.Structured, &made))

			ann.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":77,"method":"tools/call","params":%s}`,
				ann.era(fmt.Sprintf(`{"name":"wait_for_instance","arguments":{"instance_id":%d,"until":"gone","timeout_seconds":2},"_meta":{"progressToken":1}}`, made.InstanceID))))
			require.Equal(t, "notifications/progress", ann.read().Method, "it waits")
			bob.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":%s}`, bob.era(`{"requestId":77}`)))
			m := ann.read()
			for m.Method != "" {
				m = ann.read()
			}
			require.Contains(t, string(m.Result), `"reached":false`, "it waited its time and saw the instance")
		})
	}
}

// dialHTTP connects another client to a server that runs.
func dialHTTP(t *testing.T, url string, by way, caps, answer string) *wire {
	t.Helper()
	w := &wire{t: t, modern: by.version >= "2026", caps: caps, answer: answer}
	w.overHTTP(url, by)
	w.greet(by.version)
	return w
}

// TestCallersAreStrangers: what one was quoted, approved and given, another
// neither sees nor can use.
func TestCallersAreStrangers(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast(), Mode: guard.Model})
	url := serveHTTP(t, r, annAndBob(t))
	ann := dialHTTP(t, url, way{"http", "2026-07-28", tokenOfAnn}, cannotAsk, "")
	bob := dialHTTP(t, url, way{"http", "2026-07-28", tokenOfBob}, cannotAsk, "")
	offer := r.Offer("RTX 4090")
	quoteOf := func(w *wire) string {
		var d tool.Decision
		res := w.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, offer))
		require.NoError(t, json.Unmarshal(res.Structured, &d))
		require.Equal(t, tool.ApprovalNeeded, d.Status)
		return d.Quote.QuoteID
	}
	anns, bobs := quoteOf(ann), quoteOf(bob)
	require.NotEqual(t, anns, bobs)
	redeem := func(w *wire, quote string) result {
		return w.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch","approval":%q}`, offer, quote))
	}
	stolen, unknown := redeem(bob, anns), redeem(bob, "q_0123456789abcdef")
	require.True(t, stolen.IsError)
	require.Equal(t, unknown.Content, stolen.Content, "another's quote is as good as none")
	require.Empty(t, r.Machines())
	require.Contains(t, string(redeem(ann, anns).Structured), `"status":"done"`)
	require.True(t, redeem(bob, anns).IsError, "nor is its outcome told to others")
	require.Len(t, r.Machines(), 1)
	replay := redeem(ann, anns)
	require.Contains(t, string(replay.Structured), `"replayed":true`)
	require.Len(t, r.Machines(), 1)
}

// TestAForgedOrReplayedStateRentsNothingMore: the state of a modern client's
// second round is a name, not a right.
func TestAForgedOrReplayedStateRentsNothingMore(t *testing.T) {
	r := rig.New(t, rig.Options{Market: fast()})
	url := serveHTTP(t, r, annAndBob(t))
	ann := dialHTTP(t, url, way{"http", "2026-07-28", tokenOfAnn}, canAsk, yes)
	bob := dialHTTP(t, url, way{"http", "2026-07-28", tokenOfBob}, canAsk, yes)
	args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
	answered := func(w *wire, state string) result {
		m := w.request("tools/call", fmt.Sprintf(`{"name":"create_instance","arguments":%s,"requestState":%q,"inputResponses":{"approve":%s}}`, args, state, yes))
		var res result
		require.NoError(t, json.Unmarshal(m.Result, &res))
		return res
	}
	var first result
	require.NoError(t, json.Unmarshal(ann.request("tools/call", fmt.Sprintf(`{"name":"create_instance","arguments":%s}`, args)).Result, &first))
	require.Equal(t, "input_required", answered(ann, "forged").ResultType)
	require.Equal(t, "input_required", answered(bob, first.RequestState).ResultType, "another's state is no state")
	require.Empty(t, r.Machines())
	require.Contains(t, string(answered(ann, first.RequestState).Structured), `"status":"done"`)
	for range 3 {
		answered(ann, first.RequestState)
		answered(bob, first.RequestState)
	}
	require.Len(t, r.Machines(), 1, "replayed as often as one likes")
}
