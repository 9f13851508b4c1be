package sandbox_test

import (
	"fmt"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const volumePath = "/api/v0/volumes/"

// space searches for volume offers, cheapest first.
func (r *rig) space(query obj) []obj {
	r.t.Helper()
	q := obj{"disk_space": obj{"gte": 50}, "duration": obj{"gte": 864000}, "order": []any{[]any{"storage_cost", "asc"}}}
	maps.Copy(q, query)
	return objects(r.do(200, "POST", volumePath+"search/", q)["offers"])
}

func (r *rig) volumes() []obj {
	r.t.Helper()
	return objects(r.do(200, "GET", volumePath+"?owner=me&type=all_volume", nil)["volumes"])
}

// store rents space and returns the volume's id.
func (r *rig) store(offer any, size float64) int64 {
	r.t.Helper()
	out := r.do(200, "PUT", volumePath, obj{"size": size, "id": offer, "name": "data"})
	require.Equal(r.t, "V."+itoa(out["volume_id"]), out["volume_name"])
	return int64(num(out, "volume_id"))
}

func deletion(id int64) string { return fmt.Sprintf("%s?id=%d", volumePath, id) }

func TestVolumeSearch(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.space(nil)
	require.NotEmpty(t, offers)
	require.Len(t, offers[0], 33)
	for _, o := range offers {
		require.InDelta(t, num(o, "storage_cost")/720, o["storage_total_cost"], 1e-12, "priced for one GB")
		require.GreaterOrEqual(t, num(o, "disk_space"), 50.0)
	}
	priced := r.space(obj{"allocated_storage": 100.0, "ask_contract_id": obj{"eq": offers[0]["id"]}})
	require.Len(t, priced, 1)
	require.InDelta(t, num(offers[0], "storage_cost")*100/720, priced[0]["storage_total_cost"], 1e-12)
	require.Len(t, r.space(obj{"limit": 3}), 3)
	require.Empty(t, r.space(obj{"id": obj{"eq": offers[0]["id"]}}))
	official := r.space(obj{"verified": obj{"eq": true}, "external": obj{"eq": false}, "cuda_max_good": obj{"gte": "12.4"}, "geolocation": obj{"in": []string{"US", "CA"}}})
	require.NotEmpty(t, official)
	for _, o := range official {
		require.Equal(t, "verified", o["verification"])
		require.GreaterOrEqual(t, num(o, "cuda_max_good"), 12.4)
	}
	scored := r.do(200, "POST", volumePath+"search/", obj{"order": []any{[]any{"score", "desc"}}})
	require.Len(t, scored["offers"], 64)
	machine := r.cheap(obj{"machine_id": obj{"eq": offers[0]["machine_id"]}, "gpu_frac": obj{}, "duration": obj{}, "direct_port_count": obj{}, "rentable": obj{}})[0]
	require.Equal(t, offers[0]["id"], machine["avail_vol_ask_id"])
	require.Equal(t, offers[0]["disk_space"], machine["avail_vol_size"])

	require.Equal(t, "bad_request", r.do(400, "POST", volumePath+"search/", obj{"verified": true})["error"])
	require.Equal(t, "invalid_request", r.do(400, "POST", volumePath+"search/", obj{"dph_total": obj{"lt": 1}})["error"])
	require.Equal(t, "invalid_request", r.do(400, "POST", volumePath+"search/", "{")["error"])
	require.Equal(t, "invalid_request", r.do(400, "POST", volumePath+"search/", "null")["error"])
}

func TestVolume(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Empty(t, r.volumes())
	offer := r.space(nil)[0]
	id := r.store(offer["id"], 20)
	row := r.volumes()[0]
	require.Len(t, row, 27)
	require.EqualValues(t, id, row["id"])
	require.Equal(t, "data", row["label"])
	require.Equal(t, "machine", row["type"])
	require.Equal(t, "creating", row["status"])
	require.Equal(t, []any{}, row["instances"])
	require.Equal(t, offer["machine_id"], row["machine_id"])
	require.InDelta(t, num(offer, "storage_cost")*20/720, row["storage_total_cost"], 1e-12)
	require.InDelta(t, epoch.Unix(), row["start_date"], 1)
	require.Less(t, num(r.space(nil)[0], "disk_space"), num(offer, "disk_space"), "it is gone from the machine's disk")
	r.pass(30 * time.Second)
	require.Equal(t, "available", r.volumes()[0]["status"])
	require.Empty(t, r.do(200, "GET", volumePath+"?type=network_volume", nil)["volumes"])
	require.Len(t, r.do(200, "GET", volumePath+"?type=local_volume", nil)["volumes"], 1)

	r.pass(100 * time.Hour)
	require.Equal(t, obj{"success": true}, r.do(200, "DELETE", deletion(id), obj{}))
	gone := r.m.Now()
	r.pass(100 * time.Hour)
	require.Empty(t, r.volumes())
	entries := r.ledger()
	require.Len(t, entries, 1)
	require.Equal(t, "volume", entries[0].Kind)
	require.Equal(t, id, entries[0].InstanceID)
	require.Equal(t, epoch, entries[0].Start)
	require.Equal(t, gone, entries[0].End)
	require.InDelta(t, owed(entries[0], gone), entries[0].MicroDollars, 0.51)
	require.Equal(t, 100_000_000-entries[0].MicroDollars, r.credit())
}

func TestVolumeRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.space(nil)[0]
	for _, refused := range []struct {
		status int
		code   string
		body   any
	}{
		{404, "no_such_ask", obj{"size": 15, "id": 999999999}},
		{404, "no_such_ask", obj{}},
		{400, "invalid_args", obj{"id": offer["id"], "size": 0}},
		{400, "invalid_args", obj{"id": offer["id"], "size": num(offer, "disk_space") + 1}},
		{400, "invalid_args", obj{"id": offer["id"], "name": "two words"}},
		{400, "invalid_request", "{"},
	} {
		require.Equal(t, refused.code, r.do(refused.status, "PUT", volumePath, refused.body)["error"], refused)
	}
	require.Equal(t, "no_such_volume", r.do(404, "DELETE", deletion(5), obj{})["error"])
	require.Equal(t, "no_such_volume", r.do(404, "DELETE", volumePath, obj{"id": 5})["error"])
	for _, bad := range []string{"", "?id=x", "?id=0"} {
		require.Equal(t, "Please provide a valid volume ID.", r.do(400, "DELETE", volumePath+bad, obj{})["msg"])
	}
	r.do(400, "DELETE", volumePath, "{")
	require.Empty(t, r.ledger())
	require.Equal(t, "not_authorized", r.do(403, "POST", volumePath, obj{"size": 10, "machine": 1, "price_disk": 0.1})["error"])
	require.Equal(t, "not_authorized", r.do(403, "POST", "/api/v0/volumes/unlist", obj{"id": 1})["error"])

	broke := newRig(t, sandbox.Options{Credit: 1e-6})
	broke.store(offer["id"], 15)
	broke.pass(time.Hour)
	require.Equal(t, "insufficient_credit", broke.do(400, "PUT", volumePath, obj{"id": offer["id"]})["error"])
}

func TestVolumeClone(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offers := r.space(nil)
	id := r.store(offers[0]["id"], 20)
	out := r.do(200, "POST", volumePath+"copy/", obj{"src_id": id, "dst_id": offers[1]["id"], "size": 30.0})
	require.Equal(t, true, out["success"])
	r.do(200, "POST", volumePath+"copy/", obj{"src_id": id, "dst_id": offers[1]["id"]})
	rows := r.volumes()
	require.Len(t, rows, 3)
	require.EqualValues(t, 30, rows[1]["disk_space"])
	require.EqualValues(t, 20, rows[2]["disk_space"])
	require.Equal(t, offers[1]["machine_id"], rows[1]["machine_id"])
	for code, body := range map[string]any{
		"no_such_volume":  obj{"src_id": 1, "dst_id": offers[1]["id"]},
		"no_such_ask":     obj{"src_id": id, "dst_id": 2},
		"invalid_args":    obj{"src_id": id, "dst_id": offers[1]["id"], "size": 5},
		"invalid_request": "{",
	} {
		status := 400
		if code == "no_such_volume" || code == "no_such_ask" {
			status = 404
		}
		require.Equal(t, code, r.do(status, "POST", volumePath+"copy/", body)["error"])
	}
}

// A volume costs no longer than the host offers his disk.
func TestVolumeEndsWithTheListing(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.space(obj{"order": []any{[]any{"duration", "asc"}}, "storage_cost": obj{"gt": 0}})[0]
	id := r.store(offer["id"], 15)
	running := r.up(3, nil)
	r.pass(time.Duration(num(offer, "duration"))*time.Second + 48*time.Hour)
	require.Empty(t, r.volumes())
	for _, e := range r.ledger() {
		if e.InstanceID == id {
			require.InDelta(t, num(offer, "end_date"), e.End.Unix(), 1)
		}
	}
	require.NotNil(t, r.instance(running))
	require.Equal(t, "no_such_volume", r.do(404, "DELETE", deletion(id), obj{})["error"])
}

func TestMountedVolumes(t *testing.T) {
	r := newRig(t, sandbox.Options{Credit: 1000})
	machine := r.cheap(nil)[3]
	other := r.cheap(nil)[4]
	offer := machine["avail_vol_ask_id"]
	ask := "/api/v0/asks/" + itoa(machine["id"]) + "/"
	id := r.store(offer, 10)
	mounts := obj{"create_new": false, "volume_id": id, "mount_path": "/x"}
	require.Equal(t, "invalid_args", r.do(400, "PUT", "/api/v0/asks/"+itoa(other["id"])+"/", obj{"image": "x", "volume_info": mounts})["error"], "on another machine")
	require.Equal(t, "no_such_volume", r.do(404, "PUT", ask, obj{"image": "x", "volume_info": obj{"volume_id": 5}})["error"])
	require.Equal(t, "no_such_volume", r.do(404, "PUT", ask, obj{"image": "x", "env": obj{"-v V.5:/x": "1"}})["error"])
	require.Equal(t, "invalid_args", r.do(400, "PUT", ask, obj{"image": "x", "volume_info": 5})["error"])

	instance := r.rent(machine["id"], obj{"volume_info": mounts})
	require.Contains(t, r.instance(instance)["extra_env"], []any{fmt.Sprintf("-v V.%d:/x", id), "1"})
	row := objects(r.do(200, "GET", "/api/v1/instances/", nil)["instances"])[0]
	require.Equal(t, []any{obj{"id": float64(id), "avail_space": 10.0, "total_space": 10.0}}, row["volume_info"])
	require.Equal(t, "attached", r.volumes()[0]["status"])
	require.Equal(t, []any{float64(instance)}, r.volumes()[0]["instances"])
	require.Equal(t, "invalid_args", r.do(400, "DELETE", deletion(id), obj{})["error"])
	r.do(200, "DELETE", path(instance), obj{})
	require.Equal(t, "invalid_args", r.do(400, "DELETE", deletion(id), obj{})["error"], "it lets go late")
	r.pass(31 * time.Second)

	again := r.rent(machine["id"], obj{"env": obj{fmt.Sprintf("-v V.%d:/data", id): "1"}})
	require.Equal(t, []any{float64(again)}, r.volumes()[0]["instances"])
	r.do(200, "DELETE", path(again), obj{})
	r.pass(31 * time.Second)
	made := r.rent(machine["id"], obj{"volume_info": obj{"create_new": true, "volume_id": offer, "size": 12, "name": "fresh"}})
	rows := r.volumes()
	require.Equal(t, "fresh", rows[1]["label"])
	require.Equal(t, []any{float64(made)}, rows[1]["instances"])
	require.Contains(t, r.instance(made)["extra_env"], []any{"-v V." + itoa(rows[1]["id"]) + ":/data", "1"})
	r.do(200, "DELETE", path(made), obj{})
	require.Equal(t, "invalid_args", r.do(400, "PUT", ask, obj{"image": "x", "volume_info": obj{"create_new": true, "volume_id": other["avail_vol_ask_id"]}})["error"])
	require.Equal(t, "no_such_ask", r.do(404, "PUT", ask, obj{"image": "x", "volume_info": obj{"create_new": true, "volume_id": 5}})["error"])
	require.Len(t, r.volumes(), 2)
	r.pass(31 * time.Second)
	r.do(200, "DELETE", deletion(id), obj{})
}

func TestVolumeCharges(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.space(obj{"storage_cost": obj{"gt": 0}})[0]
	id := r.store(offer["id"], 40)
	r.rent(r.cheap(nil)[3]["id"], nil)
	r.pass(40 * time.Hour)
	read := func(filters string) []obj {
		return objects(r.do(200, "GET", "/api/v0/charges/?select_filters="+url.QueryEscape(`{"day":{"gte":0,"lte":9e9}`+filters+`}`), nil)["results"])
	}
	require.Len(t, read(""), 6)
	require.Len(t, read(`,"type":{"in":["instance"]}`), 3)
	require.Empty(t, read(`,"type":{"in":["serverless"]}`))
	rows := read(`,"type":{"in":["volume"]}`)
	require.Len(t, rows, 3)
	require.Equal(t, fmt.Sprintf("volume-%d", id), rows[1]["source"])
	require.Equal(t, fmt.Sprintf("Volume %d Charges - 1 day", id), rows[1]["description"])
	require.Equal(t, obj{"label": "data"}, rows[1]["metadata"])
	items := objects(rows[1]["items"])
	require.Len(t, items, 1)
	require.Equal(t, "disk", items[0]["type"])
	require.Equal(t, items[0]["amount"], rows[1]["amount"])
	require.Contains(t, items[0]["description"], "40.000 GB for ")
	before := rows[0]
	r.do(200, "DELETE", deletion(id), obj{})
	require.Equal(t, before, read(`,"type":{"in":["volume"]}`)[0], "it is billed as before")
}
