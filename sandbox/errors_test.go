package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// refusal is one way to a code of the API's error catalogue.
type refusal struct {
	code         string
	status       int
	method, path string
	body         any
}

func TestErrorCatalogue(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.cheap(nil)
	id, taken := r.up(3, nil), offers[4]
	r.rent(taken["id"], nil)
	stopped := r.rent(offers[5]["id"], obj{"target_state": "stopped"})
	ask := func(offer obj) string { return "/api/v0/asks/" + itoa(offer["id"]) + "/" }
	instance := func(what string, id int64) string { return fmt.Sprintf("/api/v0/instances/%s/%d/", what, id) }
	r.do(200, "POST", "/api/v0/secrets/", obj{"key": "HAVE", "value": "1"})
	for _, c := range []refusal{
		{"invalid_args", 400, "PUT", "/api/v0/asks/x/", obj{}},
		{"invalid_args", 404, "PUT", "/api/v0/asks/5/", obj{"image": "x"}},
		{"invalid_args", 483, "PUT", instance("command", stopped), "{"},
		{"invalid_request", 400, "POST", bundles, obj{"no_such": obj{"eq": 1}}},
		{"invalid_request", 400, "PUT", ask(offers[6]), "{"},
		{"bad_request", 400, "POST", bundles, obj{"gpu_name": "RTX 4090"}},
		{"no_such_ask", 410, "PUT", ask(taken), obj{"image": "x"}},
		{"invalid_price", 400, "PUT", ask(offers[6]), obj{"image": "x", "price": 200}},
		{"no_ssh_key_for_vm", 400, "PUT", ask(offers[6]), obj{"image": "x", "vm": true}},
		{"no_such_instance", 404, "PUT", path(1), obj{"state": "running"}},
		{"no_such_instance", 404, "DELETE", path(1), obj{}},
		{"no_such_instance", 404, "PUT", instance("bid_price", 1), obj{"price": 1}},
		{"no_such_instance", 404, "GET", instance("balance", 1), nil},
		{"invalid_id", 400, "PUT", instance("recycle", 1), obj{}},
		{"invalid_id", 404, "PUT", instance("request_logs", 1), obj{}},
		{"label_too_long", 400, "PUT", path(id), obj{"label": strings.Repeat("x", 1025)}},
		{"deprecated_endpoint", 410, "GET", "/api/v0/instances/", nil},
		{"no_pending_price_increase", 404, "PUT", "/api/v0/instances/accept-price-increase/", obj{"pending_price_increase_id": 1}},
		{"no_ssh_key", 400, "POST", path(id) + "ssh/", obj{}},
		{"no_such_ssh_key", 404, "DELETE", path(id) + "ssh/1/", obj{}},
		{"no_such_volume", 404, "PUT", ask(offers[6]), obj{"image": "x", "volume_info": obj{"volume_id": 1, "create_new": false, "mount_path": "/x"}}},
		{"existing_key", 400, "POST", "/api/v0/secrets/", obj{"key": "HAVE", "value": "1"}},
		{"nonexistent_key", 400, "PUT", "/api/v0/secrets/", obj{"key": "HAVE_NOT", "value": "1"}},
		{"missing_input", 400, "POST", "/api/v0/secrets/", obj{"key": "", "value": "1"}},
		{"invalid_params", 400, "PUT", "/api/v0/commands/transfer_credit/", obj{"recipient": "a@b.c", "amount": -1}},
		{"invalid_token", 400, "GET", "/api/v1/instances/?after_token=x", nil},
		{"missing_permissions", 400, "POST", "/api/v0/auth/apikeys/", obj{"name": "n"}},
		{"invalid_permissions", 400, "POST", "/api/v0/auth/apikeys/", obj{"name": "n", "permissions": obj{"api": obj{"nonsense": obj{}}}}},
		{"invalid_recipient", 400, "PUT", "/api/v0/commands/transfer_credit/", obj{"recipient": "nobody", "amount": 1}},
		{"insufficient_balance", 400, "PUT", "/api/v0/commands/transfer_credit/", obj{"recipient": "a@b.c", "amount": 1e6}},
		{"no_such_workergroup", 404, "DELETE", "/api/v0/workergroups/1/", obj{}},
	} {
		t.Run(fmt.Sprintf("%s %d %s", c.code, c.status, c.method), func(t *testing.T) {
			require.Equal(t, c.code, r.with(t).do(c.status, c.method, c.path, c.body)["error"])
		})
	}
}

// An account that can't pay: to rent and to start are refused.
func TestInsufficientCredit(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 0.5})
	id := r.up(3, nil)
	r.pass(1000 * time.Hour)
	offer := r.cheap(nil)[8]
	for _, c := range []refusal{
		{"insufficient_credit", 400, "PUT", "/api/v0/asks/" + itoa(offer["id"]) + "/", obj{"image": "x"}},
		{"insufficient_credit", 400, "PUT", path(id), obj{"state": "running"}},
	} {
		require.Equal(t, c.code, r.do(c.status, c.method, c.path, c.body)["error"])
	}
}

// What only other accounts are told is had by a fault, word for word.
func TestErrorsOfOtherAccounts(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, c := range []struct {
		op     string
		status int
		code   string
	}{
		{"create", 400, "spend_rate_limit"},
		{"create", 403, "invalid_args"},
		{"create", 500, "server_error"},
		{"start", 400, "missing_billing"},
		{"ssh_add", 400, "team_ssh_keys_not_supported"},
		{"ssh_add", 400, "duplicate"},
		{"copy", 404, "no_such_user"},
		{"increase_accept", 409, "no_pending_price_increase"},
		{"user", 429, "rate_limit_exceeded"},
		{"user", 401, "auth_error"},
	} {
		body := fmt.Sprintf(`{"success":false,"error":%q,"msg":"as told"}`, c.code)
		r.do(200, "POST", "/__sandbox/faults", obj{"op": c.op, "when": "before", "status": c.status, "body": body})
		call := map[string][2]string{
			"create": {"PUT", "/api/v0/asks/1/"}, "start": {"PUT", path(1)}, "ssh_add": {"POST", "/api/v0/ssh/"},
			"copy": {"PUT", "/api/v0/commands/copy_direct/"}, "user": {"GET", "/api/v0/users/current/"},
			"increase_accept": {"PUT", "/api/v0/instances/accept-price-increase/"},
		}[c.op]
		require.Equal(t, c.code, r.do(c.status, call[0], call[1], obj{"state": "running"})["error"])
	}
}

// A proxy's errors are no JSON, and neither are some 429s.
func TestErrorsThatAreNoJSON(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, status := range []int{502, 503, 504} {
		r.do(200, "POST", "/__sandbox/faults", obj{"op": "user", "when": "before", "status": status})
		res, text, err := r.send("GET", "/api/v0/users/current/", nil)
		require.NoError(t, err)
		require.Equal(t, status, res.StatusCode)
		require.Equal(t, "text/html", res.Header.Get("Content-Type"))
		require.False(t, json.Valid(text))
	}
	r.do(200, "POST", "/__sandbox/faults", obj{"op": "user", "when": "before", "status": 429, "body": "API requests too frequent: endpoint threshold=3.0"})
	res, _, err := r.send("GET", "/api/v0/users/current/", nil)
	require.NoError(t, err)
	require.Equal(t, "text/plain", res.Header.Get("Content-Type"))
	require.Empty(t, res.Header.Get("Retry-After"))
	for _, status := range []int{301, 308} {
		r.do(200, "POST", "/__sandbox/faults", obj{"op": "user", "when": "before", "status": status, "redirect": "https://console.invalid/api/v0/users/current/"})
		res, _, err := r.send("GET", "/api/v0/users/current/", nil)
		require.NoError(t, err)
		require.Equal(t, status, res.StatusCode)
	}
}
