package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
)

// peer is a client of the served fixtures.
type peer struct {
	t   *testing.T
	url string
}

// meta is what a modern request says of its client.
const meta = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":%s}`

const everything = `{"elicitation":{},"sampling":{},"roots":{}}`

func dial(t *testing.T) *peer {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	said, says := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, "127.0.0.1:0", says) }()
	url, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return &peer{t: t, url: strings.TrimSpace(url)}
}

// send posts one message.
func (p *peer) send(body string, headers map[string]string) *http.Response {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

type answerOf struct {
	Result struct {
		ResultType    string                     `json:"resultType"`
		InputRequests map[string]json.RawMessage `json:"inputRequests"`
		RequestState  string                     `json:"requestState"`
		IsError       bool                       `json:"isError"`
	} `json:"result"`
	Error *struct {
		Code int             `json:"code"`
		Data json.RawMessage `json:"data"`
	} `json:"error"`
}

// ask makes a modern request. params is JSON without its closing brace.
func (p *peer) ask(method, name, capabilities, params string) (status int, body string) {
	p.t.Helper()
	message := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":%s,"_meta":`+meta+`}}`, method, params, capabilities)
	resp := p.send(message, map[string]string{"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name})
	text, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.StatusCode, string(text)
}

// call calls a tool. said is what its client adds to the request, JSON with a
// leading comma or nothing.
func (p *peer) call(name, capabilities, said string) answerOf {
	p.t.Helper()
	_, body := p.ask("tools/call", name, capabilities, fmt.Sprintf(`{"name":%q,"arguments":{}%s`, name, said))
	var a answerOf
	require.NoError(p.t, json.Unmarshal([]byte(body), &a), body)
	return a
}

// names lists what a list method returns under key.
func names(t *testing.T, list json.RawMessage, key, name string) []string {
	t.Helper()
	var page map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(list, &page))
	var items []map[string]any
	require.NoError(t, json.Unmarshal(page[key], &items))
	var all []string
	for _, item := range items {
		require.NotEmpty(t, item["description"], item[name])
		all = append(all, item[name].(string))
	}
	return all
}

func TestFixturesAreServed(t *testing.T) {
	p := dial(t)
	for _, want := range []struct {
		method, key, name string
		has               []string
	}{
		{"tools/list", "tools", "name", []string{
			"search_offers", "test_simple_text", "test_image_content", "test_audio_content", "test_embedded_resource", "test_multiple_content_types",
			"test_error_handling", "test_tool_with_logging", "test_logging_tool", "test_tool_with_progress", "test_trigger_tool_change",
			"test_trigger_prompt_change", "test_sampling", "test_elicitation", "test_elicitation_sep1034_defaults", "test_elicitation_sep1330_enums",
			"test_streaming_elicitation", "test_missing_capability", "test_input_required_result_elicitation", "test_input_required_result_sampling",
			"test_input_required_result_list_roots", "test_input_required_result_request_state", "test_input_required_result_multiple_inputs",
			"test_input_required_result_multi_round", "test_input_required_result_tampered_state", "test_input_required_result_capabilities",
		}},
		{"prompts/list", "prompts", "name", []string{
			"test_simple_prompt", "test_prompt_with_arguments", "test_prompt_with_embedded_resource", "test_prompt_with_image", "test_input_required_result_prompt",
		}},
		{"resources/list", "resources", "uri", []string{"test://static-text", "test://static-binary", "test://watched-resource"}},
		{"resources/templates/list", "resourceTemplates", "uriTemplate", []string{"test://template/{id}/data"}},
	} {
		_, body := p.ask(want.method, "", "{}", `{"cursor":""`)
		var a struct{ Result json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(body), &a))
		require.Subset(t, names(t, a.Result, want.key, want.name), want.has)
	}
}

func TestTheProgramHasNoFixtures(t *testing.T) {
	s := rig.New(t, rig.Options{}).App.MCP()
	for _, method := range []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"} {
		answer, err := json.Marshal(s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`)))
		require.NoError(t, err)
		require.NotContains(t, string(answer), `"test`, method)
	}
}

func TestContent(t *testing.T) {
	p := dial(t)
	for _, want := range []struct{ method, name, params, has string }{
		{"tools/call", "test_simple_text", `{"name":"test_simple_text"`, "simple text response"},
		{"tools/call", "test_error_handling", `{"name":"test_error_handling"`, `"isError":true`},
		{"tools/call", "test_multiple_content_types", `{"name":"test_multiple_content_types"`, "test://mixed-content-resource"},
		{"tools/call", "test_trigger_tool_change", `{"name":"test_trigger_tool_change"`, "done"},
		{"tools/call", "test_trigger_prompt_change", `{"name":"test_trigger_prompt_change"`, "done"},
		{"resources/read", "test://static-text", `{"uri":"test://static-text"`, "static text resource"},
		{"resources/read", "test://static-binary", `{"uri":"test://static-binary"`, redPixel},
		{"resources/read", "test://template/123/data", `{"uri":"test://template/123/data"`, "Data for ID: 123"},
		{"prompts/get", "test_simple_prompt", `{"name":"test_simple_prompt"`, "simple prompt"},
		{"prompts/get", "test_prompt_with_arguments", `{"name":"test_prompt_with_arguments","arguments":{"arg1":"a","arg2":"b"}`, "arg1='a', arg2='b'"},
		{"prompts/get", "test_prompt_with_embedded_resource", `{"name":"test_prompt_with_embedded_resource","arguments":{"resourceUri":"test://x"}`, "test://x"},
		{"prompts/get", "test_prompt_with_image", `{"name":"test_prompt_with_image"`, "image/png"},
	} {
		status, body := p.ask(want.method, want.name, "{}", want.params)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, want.has)
	}
}

func TestNoticesArrive(t *testing.T) {
	p := dial(t)
	message := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"_meta":` + strings.TrimSuffix(fmt.Sprintf(meta, "{}"), "}") + `,%s}}}`
	for name, also := range map[string]string{
		"test_tool_with_progress": `"progressToken":"p"`,
		"test_tool_with_logging":  `"io.modelcontextprotocol/logLevel":"info"`,
	} {
		resp := p.send(fmt.Sprintf(message, name, also), map[string]string{"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": name})
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, 3, bytes.Count(body, []byte(`"method":"notifications/`)), string(body))
	}
	require.Empty(t, p.call("test_tool_with_progress", "{}", "").Error, "without a token nothing is reported")
}

func TestDialogues(t *testing.T) {
	const yes = `{"action":"accept","content":{}}`
	p := dial(t)

	first := p.call("test_input_required_result_multi_round", everything, "").Result
	require.Contains(t, first.InputRequests, "step1")
	second := p.call("test_input_required_result_multi_round", everything, `,"inputResponses":{"step1":`+yes+`},"requestState":"`+first.RequestState+`"`).Result
	require.Contains(t, second.InputRequests, "step2")
	require.NotEqual(t, first.RequestState, second.RequestState)
	third := p.call("test_input_required_result_multi_round", everything, `,"inputResponses":{"step2":`+yes+`},"requestState":"`+second.RequestState+`"`).Result
	require.Empty(t, third.InputRequests)

	for name, said := range map[string]string{
		"of another question": `,"inputResponses":{"wrong":` + yes + `}`,
		"of another kind":     `,"inputResponses":{"user_name":12345}`,
		"none":                `,"inputResponses":null`,
	} {
		require.Equal(t, "input_required", p.call("test_input_required_result_elicitation", everything, said).Result.ResultType, name)
	}
	require.NotNil(t, p.call("test_input_required_result_tampered_state", everything, `,"inputResponses":{"confirm":`+yes+`},"requestState":"forged"`).Error)

	all := `,"inputResponses":{"user_name":` + yes + `,"greeting":{"role":"assistant","model":"m","content":{"type":"text","text":"hi"}},"client_roots":{"roots":[]}}`
	require.Equal(t, "complete", p.call("test_input_required_result_multiple_inputs", everything, all).Result.ResultType)

	require.Len(t, p.call("test_input_required_result_capabilities", everything, "").Result.InputRequests, 3)
	require.Len(t, p.call("test_input_required_result_capabilities", `{"sampling":{}}`, "").Result.InputRequests, 1)
	require.True(t, p.call("test_input_required_result_capabilities", `{}`, "").Result.IsError)

	const prompt = "test_input_required_result_prompt"
	for said, has := range map[string]string{
		"": "user_context", `,"inputResponses":{"user_context":` + yes + `}`: "messages", `,"requestState":"forged"`: "error",
	} {
		_, body := p.ask("prompts/get", prompt, everything, fmt.Sprintf(`{"name":%q%s`, prompt, said))
		require.Contains(t, body, has)
	}
}

func TestMissingCapabilityIsRefused(t *testing.T) {
	p := dial(t)
	status, body := p.ask("tools/call", "test_missing_capability", "{}", `{"name":"test_missing_capability"`)
	require.Equal(t, http.StatusBadRequest, status)
	require.JSONEq(t, `{"jsonrpc":"2.0","id":7,"error":{"code":-32021,"message":"this tool needs a client that samples","data":{"requiredCapabilities":{"sampling":{}}}}}`, body)
	status, _ = p.ask("tools/call", "test_missing_capability", everything, `{"name":"test_missing_capability"`)
	require.Equal(t, http.StatusOK, status)
}

func TestOlderClientsAreAskedWithinTheirCall(t *testing.T) {
	p := dial(t)
	resp := p.send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"x","version":"1"}}}`, nil)
	session := map[string]string{"Mcp-Session-Id": resp.Header.Get("Mcp-Session-Id"), "MCP-Protocol-Version": "2025-11-25"}
	resp = p.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"test_elicitation","arguments":{"message":"Who?"}}}`, session)
	events := bufio.NewScanner(resp.Body)
	for events.Scan() {
		data, isData := strings.CutPrefix(events.Text(), "data: ")
		if !isData {
			continue
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		require.NoError(t, json.Unmarshal([]byte(data), &m))
		if m.Method == "" {
			require.Contains(t, data, "The client said")
			return
		}
		require.Contains(t, data, "Who?")
		p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","content":{"username":"u","email":"e"}}}`, m.ID), session)
	}
	t.Fatal("the call was never answered")
}
