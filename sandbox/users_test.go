package sandbox_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// array is an answer that is a bare array.
func (r *rig) array(path string) []obj {
	r.t.Helper()
	res, text, err := r.send("GET", path, nil)
	require.NoError(r.t, err)
	require.Equal(r.t, 200, res.StatusCode, "%s", text)
	rows := []obj{}
	require.NoError(r.t, json.Unmarshal(text, &rows), "%s", text)
	require.NotNil(r.t, rows)
	return rows
}

func TestSetUser(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, obj{"success": true}, r.do(200, "PUT", "/api/v0/users/", obj{"api": obj{"misc": obj{}}}), "what it doesn't know it passes over")
	r.do(200, "PUT", "/api/v0/users/", obj{"fullname": "Ada", "autobill_threshold": 5, "autobill_amount": nil, "credit": 1e6, "api_key": "x"})
	user := r.do(200, "GET", "/api/v0/users/current/", nil)
	require.Equal(t, "Ada", user["fullname"])
	require.EqualValues(t, 5, user["autobill_threshold"])
	require.EqualValues(t, 100, user["credit"])
	require.Equal(t, r.m.Key(), user["api_key"])
	require.Equal(t, "invalid_args", r.do(400, "PUT", "/api/v0/users/", obj{"fullname": 5})["error"])
	require.Equal(t, "invalid_request", r.do(400, "PUT", "/api/v0/users/", "[")["error"])
}

func TestSubaccounts(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	const p = "/api/v0/users/"
	require.Empty(t, r.do(200, "GET", "/api/v0/subaccounts/?owner=me", nil)["users"])
	body := func(more obj) obj {
		b := obj{"email": "a@b.c", "username": "u", "password": "p", "host_only": false, "parent_id": "me"}
		maps.Copy(b, more)
		return b
	}
	made := r.do(200, "POST", p, body(nil))
	require.Equal(t, "u", made["username"])
	require.Equal(t, "a@b.c", made["email"])
	rows := objects(r.do(200, "GET", "/api/v0/subaccounts/?owner=me", nil)["users"])
	require.Len(t, rows, 1)
	require.Equal(t, made["id"], rows[0]["id"])
	require.Equal(t, made["key_id"], rows[0]["key_id"])
	require.EqualValues(t, 777001, rows[0]["parent_id"])
	require.InDelta(t, epoch.Unix(), rows[0]["created_at"], 1)
	for _, refused := range []struct {
		status int
		code   string
		more   obj
	}{
		{409, "user_exists", obj{"username": "other"}},
		{409, "user_exists", obj{"email": "c@d.e"}},
		{409, "user_exists", obj{"email": "Sandbox@example.com", "username": "x"}},
		{400, "invalid_email", obj{"email": "nobody"}},
		{400, "invalid_email", obj{"email": "me@vast.ai"}},
		{400, "invalid_email", obj{"email": strings.Repeat("a", 64) + "@b.c"}},
		{400, "missing_auth_value", obj{"email": "c@d.e", "password": ""}},
		{400, "missing_auth_value", obj{"email": "c@d.e", "username": ""}},
		{400, "invalid_request", obj{"email": "c@d.e", "password": strings.Repeat("p", 257)}},
	} {
		require.Equal(t, refused.code, r.do(refused.status, "POST", p, body(refused.more))["error"], refused.more)
	}
	require.Equal(t, "invalid_request", r.do(400, "POST", p, "{")["error"])
}

func TestTransferCredit(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	const p = "/api/v0/commands/transfer_credit/"
	r.pass(time.Hour)
	require.Equal(t, obj{"success": true}, r.do(200, "PUT", p, obj{"sender": "me", "recipient": "a@b.c", "amount": 25.004}))
	r.do(200, "PUT", p, obj{"sender": "me", "recipient": 5, "amount": 0.01})
	r.do(200, "PUT", p, obj{"recipient": "5", "amount": 0.01})
	require.EqualValues(t, 74_980_000, r.credit(), "money moves in whole cents")
	entries := r.ledger()
	require.Len(t, entries, 3)
	require.Equal(t, sandbox.Entry{Kind: "transfer", Start: epoch.Add(time.Hour), End: epoch.Add(time.Hour), MicroDollars: 25_000_000}, entries[0])
	for _, refused := range []struct {
		code string
		body obj
	}{
		{"insufficient_balance", obj{"recipient": "a@b.c", "amount": 74.99}},
		{"invalid_recipient", obj{"recipient": "nobody", "amount": 1}},
		{"invalid_recipient", obj{"recipient": "sandbox@example.com", "amount": 1}},
		{"invalid_recipient", obj{"recipient": 777001, "amount": 1}},
		{"invalid_recipient", obj{"recipient": true, "amount": 1}},
		{"invalid_params", obj{"recipient": "a@b.c", "amount": 0.004}},
		{"invalid_params", obj{"recipient": "a@b.c", "amount": -5}},
		{"invalid_params", obj{"recipient": "a@b.c", "amount": 1e300}},
		{"invalid_args", obj{"amount": 1}},
		{"invalid_args", obj{"sender": "team", "recipient": "a@b.c", "amount": 1}},
	} {
		require.Equal(t, refused.code, r.do(400, "PUT", p, refused.body)["error"], refused.body)
	}
	r.do(400, "PUT", p, "{")
	require.EqualValues(t, 74_980_000, r.credit())
}

func TestSmallAccountAnswers(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	links := r.array("/api/v0/users/cloud_integrations/")
	require.Len(t, links, 1)
	require.Equal(t, "s3", links[0]["cloud_type"])
	earned := r.do(200, "GET", "/api/v0/users/me/machine-earnings/?owner=me&machid=null", nil)
	require.Equal(t, []any{}, earned["per_machine"])
	require.EqualValues(t, 0, earned["summary"].(obj)["total_gpu"])
	require.EqualValues(t, 0, earned["current"].(obj)["balance"])
	require.Equal(t, obj{
		"success": true, "tfa_enabled": false, "methods": []any{}, "backup_codes_remaining": 0.0, "new_method_authorized": false,
	}, r.do(200, "GET", "/api/v0/tfa/status/", nil))
}

// TestTheClientsOwnSpelling: what its documentation asks for, and its defaults.
func TestTheClientsOwnSpelling(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "PUT", "/api/v0/users/", obj{"balance_threshold": "5", "balance_threshold_enabled": "true", "autobill_threshold": "10"})
	user := r.do(200, "GET", "/api/v0/users/current/", nil)
	require.EqualValues(t, 5, user["balance_threshold"])
	require.Equal(t, true, user["balance_threshold_enabled"])
	require.EqualValues(t, 10, user["autobill_threshold"])
	r.do(400, "PUT", "/api/v0/users/", obj{"balance_threshold": "much"})

	id := r.up(3, nil)
	r.do(200, "POST", "/api/v0/commands/rclone/", obj{"src": "/a", "dst": "/b", "instance_id": itoa(float64(id)), "selected": "7", "transfer": "Instance to Cloud", "flags": []any{}})
}
