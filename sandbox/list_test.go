package sandbox_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

func listPath(query obj) string {
	q := url.Values{}
	for name, value := range query {
		q.Set(name, value.(string))
	}
	return "/api/v1/instances/?" + q.Encode()
}

func (r *rig) listed(query obj) []any {
	r.t.Helper()
	ids := []any{}
	for _, row := range objects(r.do(200, "GET", listPath(query), nil)["instances"]) {
		ids = append(ids, int64(num(row, "id")))
	}
	return ids
}

// The list of two running, one stopped and one new instance, asked in every
// way that is documented.
func TestListQueries(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	a, b, c := r.up(3, obj{"label": "train"}), r.up(4, obj{"label": "train", "image": "ubuntu:22.04"}), r.up(5, nil)
	r.set(c, "stopped")
	r.until(c, "exited", time.Minute)
	d := r.rent(r.biddable()["id"], obj{"label": "", "price": 0.2})
	gpu := r.instance(b)["gpu_name"].(string)
	machine := itoa(r.instance(a)["machine_id"])
	for filter, want := range map[string][]any{
		`{}`:                                   {a, b, c, d},
		`{"actual_status":{"in":["running"]}}`: {a, b},
		`{"actual_status":{"in":["exited","offline"]}}`:                                     {c},
		`{"actual_status":{"eq":null}}`:                                                     {d},
		`{"actual_status":{"notin":["running","exited"]}}`:                                  {d},
		`{"intended_status":{"eq":"stopped"}}`:                                              {c},
		`{"cur_state":{"neq":"stopped"},"next_state":{"eq":"running"}}`:                     {a, b, d},
		`{"label":{"eq":"train"}}`:                                                          {a, b},
		`{"label":{"in":[null]}}`:                                                           {c},
		`{"label":{"in":["train",null]}}`:                                                   {a, b, c},
		`{"label":{"eq":""}}`:                                                               {d},
		`{"id":{"eq":` + itoa(float64(b)) + `}}`:                                            {b},
		`{"id":{"eq":"` + itoa(float64(b)) + `"}}`:                                          {b},
		`{"id":{"gte":` + itoa(float64(b)) + `,"lt":` + itoa(float64(d)) + `}}`:             {b, c},
		`{"machine_id":{"eq":` + machine + `}}`:                                             {a},
		`{"image_uuid":{"eq":"ubuntu:22.04"}}`:                                              {b},
		`{"is_bid":{"eq":true}}`:                                                            {d},
		`{"template_id":{"neq":null}}`:                                                      {},
		`{"start_date":{"gt":0},"end_date":{"gt":` + itoa(float64(r.m.Now().Unix())) + `}}`: {a, b, c, d},
	} {
		require.Equal(t, want, r.listed(obj{"select_filters": filter}), filter)
	}
	require.Contains(t, r.listed(obj{"select_filters": `{"gpu_name":{"in":["` + gpu + `"]}}`}), b)
	for order, want := range map[string][]any{
		`[{"col":"id","dir":"asc"}]`:                                      {a, b, c, d},
		`[{"col":"id","dir":"desc"}]`:                                     {d, c, b, a},
		`[{"col":"id","dir":"sideways"}]`:                                 {a, b, c, d},
		`[{"col":"start_date","dir":"desc"},{"col":"id","dir":"asc"}]`:    {d, c, b, a},
		`[{"col":"label","dir":"desc"}]`:                                  {a, b, d, c},
		`[{"col":"actual_status","dir":"asc"},{"col":"id","dir":"desc"}]`: {c, b, a, d},
	} {
		require.Equal(t, want, r.listed(obj{"order_by": order}), order)
		require.Equal(t, want[:1], r.listed(obj{"order_by": order, "limit": "1"}), order)
	}
	out := r.do(200, "GET", listPath(obj{"select_filters": `{"label":{"eq":"train"}}`, "limit": "1"}), nil)
	require.EqualValues(t, 1, out["instances_found"])
	require.EqualValues(t, 2, out["total_instances"])
	require.Equal(t, obj{"train": 2.0}, out["label_counts"])
	require.Equal(t, []any{b}, r.listed(obj{"select_filters": `{"label":{"eq":"train"}}`, "limit": "1", "after_token": out["next_token"].(string)}))
	raw, err := base64.StdEncoding.DecodeString(out["next_token"].(string))
	require.NoError(t, err)
	require.JSONEq(t, `{"values":{"id":`+itoa(float64(a))+`}}`, string(raw))
	require.Equal(t, "invalid_token", r.do(400, "GET", listPath(obj{"order_by": `[{"col":"label"}]`, "after_token": out["next_token"].(string)}), nil)["error"],
		"a token is for its order")
}

// Every column that the official client's tables show is there.
func TestListColumns(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.rent(r.cheap(nil)[3]["id"], nil)
	cols := `["id","actual_status","label","num_gpus","gpu_name","gpu_util","disk_space","disk_usage","disk_util","volume_info","dph_total","image_uuid",` +
		`"start_date","verification","machine_id","template_id","template_name","geolocation","inet_up","inet_down","ssh_host","ssh_port","status_msg","nope"]`
	row := objects(r.do(200, "GET", listPath(obj{"select_cols": cols}), nil)["instances"])[0]
	require.Len(t, row, strings.Count(cols, ",")+1)
	require.IsType(t, 0.0, row["start_date"])
	require.Equal(t, []any{}, row["volume_info"])
	for _, none := range []string{"actual_status", "label", "gpu_util", "template_id", "nope"} {
		require.Nil(t, row[none], none)
	}
}

func TestListFacets(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, obj{"filters": []any{}}, r.do(200, "GET", "/api/v0/instances/filters/", nil))
	a := r.up(3, nil)
	r.set(a, "stopped")
	r.until(a, "exited", time.Minute)
	r.rent(r.cheap(nil)[3]["id"], nil)
	r.rent(r.cheap(obj{"gpu_name": obj{"eq": "RTX 4090"}})[0]["id"], nil)
	found := objects(r.do(200, "GET", "/api/v0/instances/filters/", nil)["filters"])
	row := r.instance(a)
	require.Contains(t, found, obj{"actual_status": "exited", "verification": row["verification"], "gpu_name": row["gpu_name"]})
	require.Len(t, found, 3)
	require.EqualValues(t, 3, r.do(200, "GET", "/api/v0/instances/count/", nil)["count"])
}

// The old client asks without the slash, follows the redirect, and gets the
// old list where there still is one.
func TestOldList(t *testing.T) {
	for _, status := range []int{200, 410} {
		r := newRig(t, sandbox.Options{LegacyList: status})
		id := r.rent(r.cheap(nil)[3]["id"], nil)
		old := r.as("")
		res, _, err := old.send("GET", "/api/v0/instances?owner=me&api_key="+r.key, nil)
		require.NoError(t, err)
		require.Equal(t, 301, res.StatusCode)
		out := old.do(status, "GET", res.Header.Get("Location"), nil)
		if status == 410 {
			require.Equal(t, "deprecated_endpoint", out["error"])
			continue
		}
		require.EqualValues(t, id, objects(out["instances"])[0]["id"])
		require.EqualValues(t, 1, out["instances_found"])
		old.do(200, "PUT", path(id)+"?api_key="+r.key, obj{"state": "stopped"})
	}
}
