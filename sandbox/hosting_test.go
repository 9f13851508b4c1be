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

const machinesPath = "/api/v0/machines/"

func (r *rig) host() *rig { return r.as("sandbox-host-key") }

// list sends a request whose answer is a list.
func (r *rig) list(method, path string, body any) []obj {
	r.t.Helper()
	res, text, err := r.send(method, path, body)
	require.NoError(r.t, err)
	require.Equal(r.t, 200, res.StatusCode, "%s", text)
	var rows []obj
	require.NoError(r.t, json.Unmarshal(text, &rows), "%s", text)
	return rows
}

func (r *rig) machines() []obj {
	r.t.Helper()
	return objects(r.do(200, "GET", machinesPath, nil)["machines"])
}

func TestMachines(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	require.Equal(t, obj{"machines": []any{}}, r.do(200, "GET", machinesPath, nil), "a renter has none")
	host := r.host()
	rows := host.machines()
	require.Len(t, rows, 2)
	own := rows[0]
	require.Equal(t, own["id"], own["machine_id"])
	require.Equal(t, true, own["listed"])
	require.Len(t, strings.Fields(own["gpu_occupancy"].(string)), int(own["num_gpus"].(float64)))
	for _, field := range []string{
		"hostname", "geolocation", "timeout", "gpu_name", "gpu_ram", "cpu_name", "cpu_ram", "cpu_cores", "listed_gpu_cost",
		"listed_storage_cost", "listed_volume_cost", "listed_inet_up_cost", "listed_inet_down_cost", "min_bid_price", "disk_space",
		"inet_up", "inet_down", "earn_hour", "earn_day", "current_rentals_running", "current_rentals_resident", "reliability2",
		"public_ipaddr", "driver_version", "cuda_max_good", "hosting_type",
	} {
		require.Contains(t, own, field)
	}
	require.Equal(t, []obj{own}, host.list("GET", at(machinesPath, own["id"]), nil))
	require.Empty(t, r.list("GET", at(machinesPath, own["id"]), nil))
	require.Empty(t, host.list("GET", at(machinesPath, 1.0), nil))
	other := newRig(t, sandbox.Options{HostKey: "mine"})
	require.Len(t, other.as("mine").machines(), 2)
	other.host().do(401, "GET", machinesPath, nil)
}

func TestRentalsShowAtTheHost(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	var before obj
	var offers []obj
	for _, row := range r.host().machines() {
		offers = r.offers(obj{"machine_id": obj{"eq": row["id"]}, "rentable": obj{"eq": true}, "num_gpus": obj{"eq": 1}})
		if before = row; len(offers) > 0 {
			break
		}
	}
	require.NotEmpty(t, offers)
	r.rent(offers[0]["id"], nil)
	after := r.host().list("GET", at(machinesPath, before["id"]), nil)[0]
	require.Equal(t, num(before, "current_rentals_running")+1, num(after, "current_rentals_running"))
	require.InDelta(t, num(before, "earn_hour")+num(offers[0], "dph_base"), num(after, "earn_hour"), 1e-3)
	require.Equal(t, strings.Count(before["gpu_occupancy"].(string), "x")-1, strings.Count(after["gpu_occupancy"].(string), "x"))
}

func TestListingMachines(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	host := r.host()
	id := host.machines()[0]["id"]
	out := host.do(200, "PUT", machinesPath+"create_asks/", obj{
		"machine": id, "price_gpu": 0.5, "price_disk": nil, "price_inetu": nil, "price_inetd": nil, "price_min_bid": nil, "min_chunk": 1,
		"end_date": nil, "credit_discount_max": nil, "duration": nil, "vol_size": nil, "vol_price": nil,
	})
	require.Equal(t, obj{"success": true, "extended": 0.0}, out)
	require.Equal(t, obj{"success": true, "you_sent": obj{"client_id": "me", "price": 0.1}}, host.do(200, "PUT", at(machinesPath, id)+"minbid/", obj{"client_id": "me", "price": 0.1}))
	row := host.machines()[0]
	require.Equal(t, []any{0.5, 0.1, true}, []any{row["listed_gpu_cost"], row["min_bid_price"], row["listed"]})
	require.Equal(t, obj{"success": true, "machine_id": id, "user_id": 777001.0}, host.do(200, "DELETE", at(machinesPath, id)+"asks/", obj{}))
	require.Equal(t, false, host.machines()[0]["listed"])
	host.do(200, "PUT", machinesPath+"create_asks/", obj{"machine": id})
	row = host.machines()[0]
	require.Equal(t, []any{0.5, true}, []any{row["listed_gpu_cost"], row["listed"]}, "terms left out stay")

	require.Equal(t, "not_authorized", r.do(403, "PUT", machinesPath+"create_asks/", obj{"machine": id})["error"])
	require.Equal(t, "Only machine owner can create ask contracts", host.do(403, "PUT", machinesPath+"create_asks/", obj{"machine": 1})["msg"])
	require.Equal(t, "invalid_args", host.do(400, "PUT", machinesPath+"create_asks/", obj{"machine": id, "price_gpu": -1})["error"])
	require.Equal(t, "invalid_args", host.do(400, "PUT", machinesPath+"create_asks/", "{")["error"])
	require.Equal(t, "not_authorized", r.do(403, "PUT", at(machinesPath, id)+"minbid/", obj{"price": 1})["error"])
	host.do(422, "PUT", at(machinesPath, id)+"minbid/", obj{"price": "x"})
	host.do(400, "PUT", at(machinesPath, id)+"minbid/", "{")
	gone := r.do(404, "DELETE", at(machinesPath, id)+"asks/", obj{})
	require.Equal(t, []any{false, "No such machine id", id}, []any{gone["success"], gone["msg"], gone["machine_id"]})
}

func TestReports(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.host().machines()[0]["id"]
	reports := at(machinesPath, id) + "reports/"
	require.Empty(t, r.host().list("GET", reports, obj{"machine_id": id}))
	for i := range 25 {
		r.pass(time.Minute)
		require.Equal(t, obj{"success": true}, r.do(200, "PUT", at(machinesPath, id)+"report", obj{"problem": "slow", "message": fmt.Sprint(i)}))
	}
	rows := r.host().list("GET", reports, nil)
	require.Len(t, rows, 20)
	require.Equal(t, obj{"problem": "slow", "message": "24", "created_at": float64(epoch.Add(25 * time.Minute).Unix())}, rows[0])
	require.EqualValues(t, 25, r.host().machines()[0]["num_reports"])
	require.Empty(t, r.list("GET", reports, nil), "the host's only")
	require.Equal(t, "No such machine id", r.do(404, "PUT", machinesPath+"1/report", obj{})["msg"])
	r.do(400, "PUT", at(machinesPath, id)+"report", "{")
}

func TestMaintenances(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	host := r.host()
	id := host.machines()[0]["id"]
	windows := machinesPath + "maintenances/?owner=me&machine_ids=[" + itoa(id) + "]"
	require.Empty(t, r.list("GET", windows, nil))
	body := obj{"client_id": "me", "sdate": float64(epoch.Add(time.Hour).Unix()), "duration": 2.5, "maintenance_category": "power"}
	out := host.do(200, "PUT", at(machinesPath, id)+"dnotify/", body)
	require.Contains(t, out["you_sent"], "power")
	require.Equal(t, []obj{{
		"id": 1.0, "machine_id": id, "start_time": body["sdate"], "duration_hours": 2.0, "maintenance_category": "power",
		"maintenance_reason": nil, "created_at": float64(epoch.Unix()), "cancelled_at": nil, "end_time": body["sdate"].(float64) + 7200,
	}}, r.list("GET", windows, nil), "renters see it, too")
	cancelled := host.do(200, "PUT", at(machinesPath, id)+"cancel_maint/", obj{"client_id": "me", "machine_id": id})
	require.Equal(t, "deleted 1 scheduled maintenance window(s) on machine "+itoa(id), cancelled["msg"])
	require.Empty(t, r.list("GET", windows, nil))
	host.do(200, "PUT", at(machinesPath, id)+"dnotify/", body)
	r.pass(4 * time.Hour)
	require.Empty(t, r.list("GET", windows, nil), "it is over")

	require.Equal(t, "machine_ids cannot be empty", r.do(400, "GET", machinesPath+"maintenances/", nil)["msg"])
	require.Equal(t, "machine_ids (1, 2) do not exist", r.do(404, "GET", machinesPath+"maintenances/?machine_ids=[1,2]", nil)["msg"])
	require.Equal(t, "invalid_args", host.do(400, "PUT", at(machinesPath, id)+"dnotify/", obj{"sdate": 5, "duration": 1})["error"])
	require.Equal(t, "invalid_args", host.do(400, "PUT", at(machinesPath, id)+"dnotify/", obj{"sdate": float64(epoch.Add(9 * time.Hour).Unix())})["error"])
	host.do(400, "PUT", at(machinesPath, id)+"dnotify/", "{")
	r.do(404, "PUT", at(machinesPath, id)+"dnotify/", body)
	r.do(404, "PUT", at(machinesPath, id)+"cancel_maint/", obj{})
}

func TestHostingIsStored(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, sandbox.Options{Dir: dir})
	id := r.host().machines()[0]["id"]
	r.host().do(200, "PUT", at(machinesPath, id)+"minbid/", obj{"price": 0.25})
	require.Equal(t, 0.25, r.open(sandbox.Options{Dir: dir}).host().machines()[0]["min_bid_price"])
}
