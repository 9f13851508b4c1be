package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// charged is the path to the charges of some days.
func charged(from, to int64, extra ...string) string {
	filters := url.QueryEscape(fmt.Sprintf(`{"day":{"gte":%d,"lte":%d}}`, from, to))
	return "/api/v0/charges/?select_filters=" + filters + strings.Join(extra, "")
}

func TestCharges(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(obj{"inet_down_cost": obj{"gt": 0}})[0]
	id := r.rent(offer["id"], obj{"label": "billed", "disk": 40})
	r.until(id, "running", 8*time.Minute)
	r.pass(50 * time.Hour)

	out := r.do(200, "GET", charged(0, 1<<40), nil)
	rows := objects(out["results"])
	require.Len(t, rows, 3, "a row for each day")
	require.EqualValues(t, 3, out["total"])
	whole := rows[1]
	require.EqualValues(t, 86400, num(whole, "end")-num(whole, "start"))
	require.Equal(t, "instance-"+itoa(float64(id)), whole["source"])
	require.Equal(t, "billed", whole["metadata"].(obj)["label"])
	items := objects(whole["items"])
	var types []any
	sum := 0.0
	for _, item := range items {
		types = append(types, item["type"])
		sum += num(item, "amount")
	}
	require.Equal(t, []any{"gpu", "disk", "bwd", "bwu"}, types)
	require.InDelta(t, sum, num(whole, "amount"), 1e-9)
	require.InDelta(t, 24*num(offer, "dph_base"), num(items[0], "amount"), 0.0006)
	require.Equal(t, fmt.Sprintf("24.000 hours at $%.3f/hour", num(offer, "dph_base")), items[0]["description"])
	require.Equal(t, "40.000 GB for 24.000 hours", items[1]["description"])
	require.Contains(t, items[2]["description"], "9.600 GB at $")

	last := num(rows[2], "amount")
	r.pass(time.Hour)
	grown := r.do(200, "GET", charged(0, 1<<40), nil)
	require.Greater(t, num(objects(grown["results"])[2], "amount"), last, "it grows while the contract lives")
	r.do(200, "DELETE", path(id), obj{})
	gone := r.do(200, "GET", charged(0, 1<<40), nil)
	r.pass(time.Hour)
	require.Equal(t, gone, r.do(200, "GET", charged(0, 1<<40), nil), "and is settled after")
	require.Equal(t, "billed", objects(gone["results"])[0]["metadata"].(obj)["label"])
	spent := 0.0
	for _, row := range objects(gone["results"]) {
		spent += num(row, "amount")
	}
	require.InDelta(t, float64(100_000_000-r.credit())/1e6, spent, 0.01)
	today := epoch.Unix()
	require.Len(t, r.do(200, "GET", charged(today, today), nil)["results"], 1)
}

func TestChargePages(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1000})
	r.rent(r.cheap(nil)[3]["id"], nil)
	r.rent(r.cheap(nil)[4]["id"], nil)
	r.pass(4 * 24 * time.Hour)
	for _, latest := range []string{"false", "true"} {
		var days []float64
		token := ""
		for range 10 {
			out := r.do(200, "GET", charged(0, 1<<40, "&limit=3&latest_first="+latest+"&after_token="+token), nil)
			for _, row := range objects(out["results"]) {
				days = append(days, num(row, "start"))
			}
			require.EqualValues(t, 10, out["total"])
			next, more := out["next_token"].(string)
			if !more {
				break
			}
			token = next
		}
		require.Len(t, days, 10)
		require.Equal(t, latest == "true", days[0] > days[9])
	}
	require.Empty(t, r.do(200, "GET", "/api/v0/charges/?select_filters="+url.QueryEscape(`{"day":{"gte":0,"lte":9e9},"type":{"in":["volume"]}}`), nil)["results"])
	require.Len(t, r.do(200, "GET", "/api/v0/charges/?format=tree&limit=500&select_filters="+url.QueryEscape(`{"day":{"gte":0,"lte":9e9},"type":{"in":["instance"]}}`), nil)["results"], 10)
}

func TestChargeRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for query, msg := range map[string]string{
		"":                                 "Must provide both 'day' gte and lte filters for instance charges",
		`select_filters={"day":{"gte":1}}`: "Must provide both 'day' gte and lte filters for instance charges",
		`select_filters=nonsense`:          "Error in query parameters: select_filters is not JSON of the right shape",
		`select_filters={"day":{"gte":1,"lte":2},"type":{"in":["gold"]}}`: "type contains invalid value(s)",
		`select_filters={"day":{"gte":1,"lte":2}}&after_token=x`:          "Invalid pagination token",
	} {
		require.Equal(t, msg, r.do(400, "GET", "/api/v0/charges/?"+query, nil)["msg"], query)
	}
}

func TestUser(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	user := r.do(200, "GET", "/api/v0/users/current/", nil)
	require.Equal(t, "sandbox", user["username"])
	require.Equal(t, "sandbox@example.com", user["email"])
	require.EqualValues(t, 100, user["credit"])
	require.EqualValues(t, 0, user["balance"])
	require.EqualValues(t, epoch.UnixMilli(), user["created_at"])
	require.Equal(t, r.m.Key(), user["api_key"], "a client has to hide it")
}

func (r *rig) keys() []obj {
	r.t.Helper()
	_, text, err := r.send("GET", "/api/v0/ssh/", nil)
	require.NoError(r.t, err)
	var keys []obj
	require.NoError(r.t, json.Unmarshal(text, &keys))
	return keys
}

func TestAccountKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Empty(t, r.keys())
	out := r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 AAAA\x00 me\n"})
	first := out["key"].(obj)
	require.Equal(t, "ssh-ed25519 AAAA me", first["public_key"])
	sameShape(t, fixture(t, "ssh_key_added"), out, "key")
	r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "/home/me/.ssh/id.pub"})
	require.Len(t, r.keys(), 2, "it is not looked into")

	one := "/api/v0/ssh/" + itoa(first["id"]) + "/"
	require.Equal(t, "ssh-rsa B", r.do(200, "PUT", one, obj{"id": first["id"], "ssh_key": "ssh-rsa B"})["key"].(obj)["public_key"])
	r.do(200, "DELETE", one, obj{})
	require.Len(t, r.keys(), 1)
	for _, refused := range [][3]any{{"DELETE", one, obj{}}, {"PUT", one, obj{"ssh_key": "x"}}, {"POST", "/api/v0/ssh/", obj{}}, {"PUT", one, obj{"ssh_key": " "}}} {
		require.Equal(t, "no_ssh_key", r.do(400, refused[0].(string), refused[1].(string), refused[2])["error"])
	}
	require.Equal(t, "invalid_request", r.do(400, "DELETE", "/api/v0/ssh/x/", obj{})["error"])
	require.Equal(t, "invalid_request", r.do(400, "POST", "/api/v0/ssh/", "{")["error"])
}

func TestKeysOfAnInstance(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	early := r.rent(r.cheap(nil)[3]["id"], nil)
	account := r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 A"})["key"].(obj)
	late := r.rent(r.cheap(nil)[4]["id"], nil)
	on := func(id int64) []obj {
		out := r.do(200, "GET", path(id)+"ssh/", nil)
		var keys []obj
		require.NoError(t, json.Unmarshal([]byte(out["ssh_keys"].(string)), &keys))
		return keys
	}
	require.Empty(t, on(early), "only instances made later get the account's keys")
	require.Len(t, on(late), 1)
	for range 2 {
		require.Equal(t, "SSH key attached successfully", r.do(200, "POST", path(early)+"ssh/", obj{"ssh_key": "ssh-ed25519 A"})["msg"])
	}
	r.do(200, "POST", path(early)+"ssh/", obj{"ssh_key": "ssh-ed25519 B"})
	require.Len(t, on(early), 2)
	require.Equal(t, account["id"], on(early)[0]["id"])
	require.Len(t, r.keys(), 1)

	one := path(early) + "ssh/" + itoa(account["id"]) + "/"
	require.Equal(t, "SSH key removed from instance.", r.do(200, "DELETE", one, obj{})["msg"])
	require.Equal(t, "no_such_ssh_key", r.do(404, "DELETE", one, obj{})["error"])
	require.Equal(t, "invalid_request", r.do(400, "DELETE", path(early)+"ssh/x/", obj{})["error"])
	r.do(400, "POST", path(early)+"ssh/", obj{})
	for _, method := range []string{"GET", "POST"} {
		require.Equal(t, "no_such_instance", r.do(404, method, path(5)+"ssh/", obj{"ssh_key": "x"})["error"])
	}
	r.do(404, "DELETE", path(5)+"ssh/1/", obj{})
}

func TestTemplates(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	find := func(filters, more string) []obj {
		return objects(r.do(200, "GET", "/api/v0/template/?select_filters="+url.QueryEscape(filters)+more, nil)["templates"])
	}
	require.Len(t, find("{}", ""), 12)
	require.Equal(t, true, find("{}", "")[0]["recommended"])
	for _, hash := range []string{"661d064bbda1f2a133816b6d55da07c3", "4e17788f74f075dd9aab7d0d4427968f", "490c0ed717a7da3bc5e2677a80f9c4c2", "e4c5e88bc289f4eecb0c955c4fe7430d"} {
		require.Len(t, find(`{"hash_id":{"eq":"`+hash+`"}}`, ""), 1)
	}
	require.Len(t, find(`{"name":"vLLM"}`, ""), 2, "a plain string is looked for anywhere")
	require.Len(t, find(`{"name":{"eq":"vLLM"}}`, ""), 1)
	require.Len(t, find("{}", "&limit=3"), 3)
	sorted := find(`{"image":"vastai/"}`, `&order_by=[{"col":"name","dir":"asc"}]`)
	require.Equal(t, "Base image example", sorted[0]["name"])
	for _, row := range find("{}", "") {
		require.Regexp(t, "^[0-9a-f]{32}$", row["hash_id"])
		require.True(t, json.Valid([]byte(row["extra_filters"].(string))))
	}
	for _, query := range []string{"", "?select_filters=x", `?select_filters={"env":{"eq":"x"}}`, "?select_filters={}&order_by=5", `?select_filters={}&order_by=[{"col":"env"}]`} {
		r.do(400, "GET", "/api/v0/template/"+query, nil)
	}
}
