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

const apiKeys = "/api/v0/auth/apikeys/"

// scoped makes a key with the permissions and is a client with it.
func (r *rig) scoped(permissions string, params any) *rig {
	r.t.Helper()
	out := r.do(200, "POST", apiKeys, obj{"name": "k", "permissions": json.RawMessage(permissions), "key_params": params})
	require.Regexp(r.t, "^[0-9a-f]{64}$", out["key"])
	return r.as(out["key"].(string))
}

// text is an answer that is a bare JSON string.
func (r *rig) text(status int, method, path string, body any) string {
	r.t.Helper()
	res, raw, err := r.send(method, path, body)
	require.NoError(r.t, err)
	require.Equal(r.t, status, res.StatusCode, "%s", raw)
	var text string
	require.NoError(r.t, json.Unmarshal(raw, &text), "%s", raw)
	return text
}

func TestAPIKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	made := r.do(200, "POST", apiKeys, obj{"name": "ci", "permissions": obj{"api": obj{"misc": obj{}}}})
	require.Equal(t, obj{"api": obj{"misc": obj{}}}, made["permissions"])
	one := apiKeys + itoa(made["id"]) + "/"

	listed := objects(r.do(200, "GET", apiKeys, nil)["apikeys"])
	require.Len(t, listed, 2, "the main key and this one")
	row := listed[1]
	require.Equal(t, "ci", row["name"])
	require.Equal(t, made["permissions"], row["permissions"])
	require.EqualValues(t, 777001, row["user_id"])
	require.InDelta(t, epoch.Unix(), row["created_at"], 1)
	require.Equal(t, row, r.do(200, "GET", one, nil))
	_, text, err := r.send("GET", apiKeys, nil)
	require.NoError(t, err)
	require.NotContains(t, string(text), made["key"], "it is told once")

	require.Equal(t, "Successfully Deleted API Key", r.text(200, "DELETE", one, obj{}))
	require.Equal(t, obj{"msg": "API key not found"}, r.do(404, "GET", one, nil))
	require.Equal(t, obj{"msg": "API key not found"}, r.do(404, "DELETE", one, obj{}))
	require.Equal(t, obj{"msg": "Invalid API key id"}, r.do(400, "DELETE", apiKeys+"x/", obj{}))
	require.Contains(t, r.do(403, "DELETE", apiKeys+itoa(listed[0]["id"])+"/", obj{}), "msg")
	require.Equal(t, fixture(t, "denied"), r.as(made["key"].(string)).do(401, "PUT", "/api/v0/search/asks/", obj{}))
}

func TestPermissionsThatMakeNoSense(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for permissions, code := range map[string]string{
		``:                                   "missing_permissions",
		`null`:                               "missing_permissions",
		`{"read":true}`:                      "invalid_permissions",
		`{"manage_instances":true}`:          "invalid_permissions",
		`{"api":{"everything":{}}}`:          "invalid_permissions",
		`{"api":{"misc":{}},"more":1}`:       "invalid_permissions",
		`{"api":{"misc":true}}`:              "invalid_permissions",
		`{"api":{"misc":{"api.bundles":1}}}`: "invalid_permissions",
		`{"api":{"misc":{"api.bundles":{"other":{}}}}}`:                         "invalid_permissions",
		`{"api":{"misc":{"api.bundles":{"constraints":{"id":5}}}}}`:             "invalid_permissions",
		`{"api":{"misc":{"api.bundles":{"constraints":{"id":{"lt":5}}}}}}`:      "invalid_permissions",
		`{"api":{"misc":{"api.bundles":{"constraints":{"id":{}},"other":{}}}}}`: "invalid_permissions",
	} {
		body := `{"name":"k"}`
		if permissions != "" {
			body = `{"name":"k","permissions":` + permissions + `}`
		}
		require.Equal(t, code, r.do(400, "POST", apiKeys, body)["error"], permissions)
	}
	require.Equal(t, "invalid_request", r.do(400, "POST", apiKeys, "{")["error"])
}

// A key with one permission can call all that needs it, and nothing else.
func TestScopes(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	groups := []string{
		"instance_read", "instance_write", "user_read", "user_write", "billing_read", "billing_write",
		"machine_read", "machine_write", "misc", "team_read", "team_write",
	}
	keys := map[string]*rig{}
	for _, group := range groups {
		keys[group] = r.scoped(`{"api":{"`+group+`":{}}}`, nil)
	}
	none := r.scoped(`{"api":{"misc":{"nothing":{}}}}`, nil)
	for _, op := range sandbox.Operations() {
		method, p, _ := strings.Cut(op, " ")
		p = strings.NewReplacer("{id}", "5", "{key_id}", "6").Replace(p)
		res, text, err := none.send(method, p, "[")
		require.NoError(t, err)
		if strings.Contains(string(text), "auth_error") {
			require.Equal(t, 401, res.StatusCode, op)
		}
		var out struct{ Msg string }
		_ = json.Unmarshal(text, &out)
		_, rest, needed := strings.Cut(out.Msg, "lacks the ")
		if !needed || strings.Contains(p, "/metrics/") { // those are for hosts, whatever the key
			continue
		}
		group := strings.TrimSuffix(rest, " permission group")
		require.Contains(t, groups, group, op)
		for name, key := range keys {
			_, text, err := key.send(method, p, "[")
			require.NoError(t, err)
			require.Equal(t, name != group, strings.Contains(string(text), " permission group"), "%s with %s: %s", op, name, text)
		}
	}
}

func TestReadOnlyKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	reads := r.scoped(`{"api":{"misc":{},"instance_read":{},"user_read":{},"billing_read":{},"team_read":{}}}`, nil)
	require.NotNil(t, reads.instance(id))
	user := reads.do(200, "GET", "/api/v0/users/current/", nil)
	require.Equal(t, reads.key, user["api_key"])
	require.NotEqualValues(t, 5550001, user["key_id"])
	before := r.ledger()
	for op, group := range map[string]string{
		"DELETE " + path(id):                      "instance_write",
		"PUT " + path(id):                         "instance_write",
		"PUT /api/v0/volumes/":                    "instance_write",
		"POST /api/v0/secrets/":                   "user_write",
		"POST /api/v0/auth/apikeys/":              "user_write",
		"PUT /api/v0/commands/reset_apikey/":      "user_write",
		"PUT /api/v0/commands/transfer_credit/":   "billing_write",
		"POST /api/v0/team/invite/?email=a&r=b":   "team_write",
		"POST /api/v0/volumes/unlist":             "machine_write",
		"PUT /api/v0/users/":                      "user_write",
		"DELETE /api/v0/template/":                "user_write",
		"DELETE /api/v0/auth/apikeys/5/":          "user_write",
		"PUT /api/v0/asks/5/":                     "instance_write",
		"POST /api/v0/ssh/":                       "user_write",
		"PUT /api/v0/instances/":                  "instance_write",
		"PUT /api/v0/instances/reboot/45001001/":  "instance_write",
		"POST /api/v0/instances/45001001/ssh/":    "instance_write",
		"DELETE /api/v0/team/members/5/":          "team_write",
		"POST /api/v0/volumes/copy/":              "instance_write",
		"DELETE /api/v0/volumes/?id=5":            "instance_write",
		"DELETE /api/v0/instances/":               "instance_write",
		"DELETE /api/v0/instances/45001001/ssh/6": "instance_write",
	} {
		method, p, _ := strings.Cut(op, " ")
		out := reads.do(401, method, p, obj{"instance_ids": []int64{id}, "state": "stopped", "ids": []int64{id}})
		require.Equal(t, obj{"success": false, "error": "auth_error", "msg": "Your key lacks the " + group + " permission group"}, out, op)
	}
	require.Equal(t, before, r.ledger())
}

func TestConstraints(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.cheap(nil)
	var ids []int64
	for i := range 4 {
		ids = append(ids, r.rent(offers[3+i]["id"], nil))
	}
	logs := func(key *rig, id int64) bool {
		res, _, err := key.send("PUT", fmt.Sprintf("/api/v0/instances/request_logs/%d/", id), obj{})
		require.NoError(t, err)
		require.Contains(t, []int{200, 401}, res.StatusCode)
		return res.StatusCode == 200
	}
	const route = `"api.instance.request_logs"`
	one := r.scoped(fmt.Sprintf(`{"api":{"instance_read":{%s:{"constraints":{"id":{"eq":%d}}}}}}`, route, ids[1]), nil)
	some := r.scoped(fmt.Sprintf(`{"api":{"instance_read":{%s:{"constraints":{"id":{"gte":%d,"lte":%d}}},"*":{}}}}`, route, ids[1], ids[2]), nil)
	byParam := r.scoped(`{"api":{"instance_read":{`+route+`:{"constraints":{"id":{"eq":"mine"}}}}}}`, obj{"mine": ids[3]})
	inText := r.scoped(`{"api":{"instance_read":{`+route+`:{"constraints":{"id":{"eq":"$mine"}}}}}}`, fmt.Sprintf(`{"mine":%d}`, ids[3]))
	for i, id := range ids {
		require.Equal(t, i == 1, logs(one, id), i)
		require.Equal(t, i == 1 || i == 2, logs(some, id), i)
		require.Equal(t, i == 3, logs(byParam, id), i)
		require.Equal(t, i == 3, logs(inText, id), i)
	}
	one.do(401, "GET", "/api/v1/instances/", nil)
	some.do(200, "GET", "/api/v1/instances/", nil)

	labelled := r.scoped(`{"api":{"instance_write":{"api.instance":{"constraints":{"state":{"eq":"stopped"}}}}}}`, nil)
	labelled.do(200, "PUT", path(ids[0]), obj{"state": "stopped"})
	labelled.do(401, "PUT", path(ids[0]), obj{"state": "running"})
	labelled.do(401, "PUT", path(ids[0]), obj{"label": "x"})
	labelled.do(401, "PUT", path(ids[0])+"?state=stopped", obj{"state": "running"})
	labelled.do(401, "PUT", path(ids[0]), `{"STATE":"running","state":"stopped"}`)
	labelled.do(200, "PUT", path(ids[0])+"?state=stopped", obj{"state": "stopped"})
}

func TestOnlyUnrestrictedKeysMakeKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	all := r.scoped("false", nil)
	all.scoped(`{"api":{"misc":{}}}`, nil)
	writer := all.scoped(`{"api":{"user_write":{}}}`, nil)
	require.Equal(t, "auth_error", writer.do(403, "POST", apiKeys, obj{"name": "x", "permissions": obj{"api": obj{"misc": obj{}}}})["error"])
	require.Equal(t, "auth_error", writer.do(403, "PUT", "/api/v0/commands/reset_apikey/", obj{})["error"])
	whole := r.scoped(`{"api":{}}`, nil)
	whole.do(200, "GET", "/api/v0/users/current/", nil)
}

func TestResetKey(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Key: "first", Speed: 1}
	r := newRig(t, o)
	second := r.do(200, "PUT", "/api/v0/commands/reset_apikey/", obj{"client_id": "me"})["new_api_key"].(string)
	require.Equal(t, fixture(t, "denied"), r.do(404, "GET", "/api/v0/users/current/", nil))
	require.Equal(t, second, r.m.Key())
	require.Equal(t, second, r.as(second).do(200, "GET", "/api/v0/users/current/", nil)["api_key"])
	third := r.as(second).do(200, "PUT", "/api/v0/commands/reset_apikey/", obj{})["new_api_key"].(string)
	r.as(second).do(404, "GET", "/api/v0/users/current/", nil)

	again := r.open(o)
	require.Equal(t, third, again.m.Key(), "who opens it with the old key gets the new one")
	again.do(200, "GET", "/api/v0/users/current/", nil)
	o.Key = "other"
	r.open(o).do(200, "GET", "/api/v0/users/current/", nil)
}

func TestAuditLog(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	rows := func() []obj {
		_, text, err := r.send("GET", "/api/v0/audit_logs/", nil)
		require.NoError(t, err)
		var rows []obj
		require.NoError(t, json.Unmarshal(text, &rows))
		return rows
	}
	require.Empty(t, rows())
	r.pass(time.Minute)
	id := r.rent(r.cheap(nil)[3]["id"], obj{"env": obj{"TOKEN": "hush"}, "image_login": "-u me -p hush"})
	r.do(200, "POST", "/api/v0/secrets/", obj{"key": "a", "value": "hush"})
	r.do(400, "POST", "/api/v0/secrets/", obj{"key": "a", "value": "hush"})
	writer := r.scoped(`{"api":{"instance_write":{}}}`, nil)
	writer.do(200, "DELETE", path(id), obj{})
	logged := rows()
	require.Len(t, logged, 4, "what was refused did nothing")
	require.NotContains(t, fmt.Sprint(logged), "hush")
	require.Equal(t, "api.secrets", logged[1]["api_route"])
	require.Equal(t, obj{"key": "a", "value": "********"}, logged[1]["args"])
	require.Equal(t, obj{"id": fmt.Sprint(id)}, logged[3]["args"])
	require.NotEqual(t, logged[0]["api_key_id"], logged[3]["api_key_id"])
	require.InDelta(t, epoch.Add(time.Minute).Unix(), logged[0]["created_at"], 1)

	seen := objects(r.do(200, "GET", "/api/v0/users/me/ipaddrs/?owner=me", nil)["results"])
	require.Len(t, seen, 2)
	require.Equal(t, "127.0.0.1", seen[1]["ip"])
	require.Equal(t, seen[1]["ip"], seen[1]["ip_address"])
	require.InDelta(t, epoch.Add(time.Minute).Unix(), seen[1]["first_seen"], 1)
}

func TestAuditLogIsBounded(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for range 205 {
		r.do(200, "PUT", "/api/v0/users/", obj{"fullname": "A"})
	}
	r.do(200, "PUT", "/api/v0/users/", obj{"fullname": strings.Repeat("A", 5000)})
	_, text, err := r.send("GET", "/api/v0/audit_logs/", nil)
	require.NoError(t, err)
	var rows []obj
	require.NoError(t, json.Unmarshal(text, &rows))
	require.Len(t, rows, 200)
	require.Empty(t, rows[199]["args"])
}
