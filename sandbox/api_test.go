package sandbox_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// fixture is an answer as the API gives it.
func fixture(t *testing.T, name string) obj {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "api", name+".json"))
	require.NoError(t, err)
	var out obj
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// sameShape wants every key of the API's object in ours, with its type or
// null, and none besides.
func sameShape(t *testing.T, want, have obj, except ...string) {
	t.Helper()
	for key, value := range want {
		if slices.Contains(except, key) {
			continue
		}
		ours, ok := have[key]
		require.True(t, ok, "%s is missing", key)
		if value == nil || ours == nil {
			continue
		}
		require.IsType(t, value, ours, key)
		if inner, ok := value.(obj); ok && key != "ports" && key != "label_counts" {
			sameShape(t, inner, ours.(obj))
		}
	}
	for key := range have {
		require.True(t, slices.Contains(except, key) || hasKey(want, key), "the API has no %s", key)
	}
}

func hasKey(o obj, key string) bool { _, ok := o[key]; return ok }

func TestAnswersHaveTheAPIsShape(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := fixture(t, "offers")
	require.Len(t, r.offers(nil)[0], 100)
	sameShape(t, offers["offers"].([]any)[0].(obj), r.offers(nil)[0])
	sameShape(t, fixture(t, "user"), r.do(200, "GET", "/api/v0/users/current/", nil))
	templates := r.do(200, "GET", "/api/v0/template/?select_filters={}", nil)
	sameShape(t, fixture(t, "templates"), templates)
	sameShape(t, fixture(t, "templates")["templates"].([]any)[0].(obj), templates["templates"].([]any)[0].(obj))
	sameShape(t, fixture(t, "gpu_names"), r.do(200, "GET", "/api/v0/gpu_names/unique/", nil))
	require.Equal(t, fixture(t, "instances_empty"), r.do(200, "GET", "/api/v1/instances/", nil))

	id := r.rent(r.cheap(nil)[3]["id"], obj{"label": "a", "env": obj{"TZ": "UTC"}, "onstart": "x"})
	sameShape(t, fixture(t, "instance_fresh")["instances"].(obj), r.instance(id), "ports")
	r.until(id, "running", 8*time.Minute)
	r.pass(time.Minute)
	require.Len(t, r.instance(id), 108)
	sameShape(t, fixture(t, "instance_running")["instances"].(obj), r.instance(id))
	list := r.do(200, "GET", "/api/v1/instances/", nil)
	sameShape(t, fixture(t, "instances_page"), list)
	row := list["instances"].([]any)[0].(obj)
	require.Len(t, row, 110)
	sameShape(t, fixture(t, "instances_page")["instances"].([]any)[0].(obj), row)
	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)
	sameShape(t, fixture(t, "instance_stopped")["instances"].(obj), r.instance(id))

	charges := r.do(200, "GET", charged(0, 1<<40), nil)
	sameShape(t, fixture(t, "charges"), charges)
	sameShape(t, fixture(t, "charges")["results"].([]any)[0].(obj), charges["results"].([]any)[0].(obj))
	require.Equal(t, fixture(t, "instance_missing"), r.do(200, "GET", path(1), nil))
	require.Equal(t, fixture(t, "instances_deprecated"), r.do(410, "GET", "/api/v0/instances/", nil))
}

func TestSlashes(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	res, text, err := r.send("GET", "/api/v0/users/current?owner=me", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusMovedPermanently, res.StatusCode)
	require.Equal(t, "/api/v0/users/current/?owner=me", res.Header.Get("Location"))
	require.Equal(t, "text/html", res.Header.Get("Content-Type"))
	require.Contains(t, string(text), "<html>")
	require.Len(t, r.do(200, "POST", "/api/v0/bundles", obj{})["offers"], 64, "a write is served without its slash")
	require.Equal(t, "not_found", r.do(404, "GET", "/api/v0/nothing", nil)["error"])
	r.do(404, "DELETE", "/api/v0/users/current/", nil)
	r.do(404, "GET", "/", nil)
	r.do(404, "GET", "/api/v0/instances//", nil)
}

func TestAnswersAreDatedInMarketTime(t *testing.T) {
	r := newRig(t, sandbox.Options{Speed: 1000})
	r.pass(time.Hour)
	for _, p := range []string{"/api/v0/users/current/", "/nothing", "/api/v0/users/current", "/__sandbox/ledger"} {
		res, _, err := r.send("GET", p, nil)
		require.NoError(t, err)
		require.Equal(t, epoch.Add(1000*time.Hour).Format(http.TimeFormat), res.Header.Get("Date"), p)
	}
}

func TestKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{Key: "mine"})
	require.Equal(t, "mine", r.m.Key())
	require.Equal(t, "sandbox-key", newRig(t, sandbox.Options{}).m.Key())
	for _, op := range sandbox.Operations() {
		method, p, _ := strings.Cut(op, " ")
		p = strings.NewReplacer("{id}", "5", "{key_id}", "6").Replace(p)
		res, text, err := r.as("").send(method, p, obj{})
		require.NoError(t, err)
		if strings.Contains(p, "bundles") || strings.Contains(p, "gpu_") {
			require.Equal(t, 200, res.StatusCode, op)
			continue
		}
		if !strings.HasPrefix(p, "/api/") {
			require.Equal(t, 401, res.StatusCode, op)
			continue
		}
		require.Equal(t, 403, res.StatusCode, op)
		require.JSONEq(t, `{"success":false,"error":"auth_error","msg":"This action requires login."}`, string(text))
		res, text, err = r.as("other").send(method, p, obj{})
		require.NoError(t, err)
		require.Contains(t, []int{401, 404}, res.StatusCode, op)
		require.JSONEq(t, `{"success":false,"error":"auth_error","msg":"Invalid user key"}`, string(text), op)
	}
	r.as("").do(200, "GET", "/api/v0/users/current/?api_key=mine", nil)
	r.as("").do(404, "GET", "/api/v0/users/current/?api_key=other", nil)
}

func TestInstanceKeys(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.cheap(nil)
	out := r.do(200, "PUT", "/api/v0/asks/"+itoa(offers[3]["id"])+"/", obj{"image": "x"})
	own, key := int64(num(out, "new_contract")), out["instance_api_key"].(string)
	other := r.rent(offers[4]["id"], nil)
	inside := r.as(key)

	require.NotNil(t, inside.instance(own))
	inside.do(200, "PUT", path(own), obj{"label": "mine"})
	inside.set(own, "stopped")
	inside.set(own, "running")
	for _, refused := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, "auth_error", inside.do(401, refused, path(other), obj{"state": "stopped"})["error"])
	}
	require.Equal(t, "Your key lacks the user_read permission group", inside.do(401, "GET", "/api/v0/users/current/", nil)["msg"])
	require.Equal(t, "Your key lacks the instance_read permission group", inside.do(401, "GET", "/api/v1/instances/", nil)["msg"])
	inside.do(401, "PUT", "/api/v0/asks/"+itoa(offers[6]["id"])+"/", obj{"image": "x"})
	inside.do(200, "DELETE", path(own), obj{})
	inside.do(401, "GET", path(own), nil)
}

func TestListPages(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1000})
	labels := map[string]any{}
	for i, offer := range r.cheap(nil)[:28] {
		label := []any{"train", "serve", nil}[i%3]
		r.rent(offer["id"], obj{"label": label})
		r.pass(time.Second)
		name, _ := label.(string)
		n, _ := labels[name].(float64)
		labels[name] = n + 1
	}
	for _, query := range []string{"", "&limit=10", `&order_by=[{"col":"label","dir":"desc"},{"col":"start_date","dir":"asc"}]&limit=9`, "&limit=100", "&limit=0"} {
		seen, token := map[any]bool{}, ""
		for pages := 0; ; pages++ {
			out := r.do(200, "GET", "/api/v1/instances/?after_token="+token+strings.ReplaceAll(query, " ", "%20"), nil)
			rows := objects(out["instances"])
			require.EqualValues(t, len(rows), out["instances_found"])
			require.EqualValues(t, 28, out["total_instances"])
			require.Equal(t, labels, out["label_counts"])
			require.LessOrEqual(t, len(rows), 25)
			for _, row := range rows {
				require.False(t, seen[row["id"]], "twice")
				seen[row["id"]] = true
			}
			next, more := out["next_token"].(string)
			if !more {
				break
			}
			if query == "&limit=0" {
				require.Len(t, rows, 5)
			}
			token = next
		}
		require.Len(t, seen, 28, query)
	}
}

func TestListFilters(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.cheap(nil)
	a := r.rent(offers[3]["id"], obj{"label": "a"})
	b := r.rent(offers[4]["id"], nil)
	for filter, want := range map[string][]any{
		`{"label":{"eq":"a"}}`:                 {float64(a)},
		`{"label":{"in":[null]}}`:              {float64(b)},
		`{"label":{"neq":"a"}}`:                {float64(b)},
		`{"id":{"gt":0}}`:                      {float64(a), float64(b)},
		`{"actual_status":{"in":["running"]}}`: {},
		`{"gpu_name":{"in":["` + offers[3]["gpu_name"].(string) + `"]},"id":{}}`: {float64(a)},
	} {
		ids := []any{}
		for _, row := range objects(r.do(200, "GET", "/api/v1/instances/?select_filters="+strings.ReplaceAll(filter, " ", "%20"), nil)["instances"]) {
			ids = append(ids, row["id"])
		}
		require.Subset(t, ids, want, filter)
		require.LessOrEqual(t, len(ids), 2)
	}
	rows := objects(r.do(200, "GET", `/api/v1/instances/?select_cols=["id","label","nothing"]&limit=1`, nil)["instances"])
	require.Equal(t, []obj{{"id": float64(a), "label": "a", "nothing": nil}}, rows)
	require.Len(t, objects(r.do(200, "GET", `/api/v1/instances/?select_cols=["*"]`, nil)["instances"])[0], 110-2+1, "no ports yet, and volumes and country in lists")

	for query, code := range map[string]string{
		`select_filters={"dph_total":{"lt":1}}`: "invalid_request",
		`select_filters=[]`:                     "invalid_request",
		`select_filters={"id":5}`:               "invalid_request",
		`order_by=[{"col":"nope"}]`:             "invalid_request",
		`order_by=5`:                            "invalid_request",
		`select_cols=5`:                         "invalid_request",
		`after_token=abc`:                       "invalid_token",
		`after_token=e30=`:                      "invalid_token",
	} {
		require.Equal(t, code, r.do(400, "GET", "/api/v1/instances/?"+query, nil)["error"], query)
	}
	msg := r.do(400, "GET", `/api/v1/instances/?select_filters={"dph_total":{"lt":1}}`, nil)["msg"]
	require.Equal(t, "Error in query parameters: dph_total is not a valid search key", msg)
}

func TestRetiredList(t *testing.T) {
	r := newRig(t, sandbox.Options{LegacyList: 200})
	r.rent(r.cheap(nil)[3]["id"], nil)
	out := r.do(200, "GET", "/api/v0/instances/?owner=me", nil)
	require.EqualValues(t, 1, out["instances_found"])
	require.Len(t, out["instances"], 1)
}

func TestOperations(t *testing.T) {
	ops := sandbox.Operations()
	require.Contains(t, ops, "PUT /api/v0/asks/{id}/")
	require.Contains(t, ops, "DELETE /api/v0/instances/{id}/ssh/{key_id}/")
}
