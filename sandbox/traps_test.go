package sandbox_test

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// What trips up those who write a client: units of offers.
func TestTrapsOfOffers(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	all := r.offers(obj{"limit": 3000})
	require.Len(t, all, 64, "the cap, whatever is asked for")
	cards := map[string]float64{}
	for _, o := range all {
		disk := num(o, "storage_total_cost")
		require.Greater(t, num(o, "gpu_ram"), 1000.0, "MB")
		require.InDelta(t, num(o, "gpu_ram")*num(o, "num_gpus"), num(o, "gpu_total_ram"), 1)
		require.InDelta(t, num(o, "cpu_cores")*num(o, "gpu_frac"), num(o, "cpu_cores_effective"), 1e-6, "cores are the machine's")
		require.InDelta(t, num(o, "storage_cost")*8/720, disk, 1e-9, "8 GB where none are named, by the month of 720 h")
		require.InDelta(t, num(o, "dph_base")+disk, num(o, "dph_total"), 1e-9, "without traffic")
		require.InDelta(t, num(o, "inet_down_cost")*1024, o["internet_down_cost_per_tb"], 1e-9)
		require.InDelta(t, num(o, "inet_up_cost")*1024, o["internet_up_cost_per_tb"], 1e-9)
		require.InDelta(t, num(o, "dph_total")+2*num(o, "inet_down_cost"), o["dph_total_adj"], 1e-9)
		require.InDelta(t, num(o, "end_date")-float64(epoch.Unix()), o["duration"], 1e-3)
		require.InDelta(t, num(o, "dph_base")/num(o, "gpu_total_ram")*1024, o["vram_costperhour"], 1e-9)
		require.Equal(t, o["reliability"], o["reliability2"])
		require.Zero(t, o["expected_reliability"])
		require.Contains(t, []any{0.0, 1.0}, o["hosting_type"])
		require.Contains(t, []any{"verified", "unverified", "deverified"}, o["verification"])
		require.IsType(t, 0.0, o["has_avx"])
		require.IsType(t, "", o["os_version"])
		require.Nil(t, o["external"])
		require.NotContains(t, o["gpu_name"], "_")
		if cc, ok := o["compute_cap"].(float64); ok {
			require.GreaterOrEqual(t, cc, 100.0, "times a hundred")
		}
		cards[o["gpu_name"].(string)] = num(o, "gpu_ram")
	}
	for name, ram := range map[string][2]float64{"RTX 4090": {24000, 24576}, "RTX 3090": {24000, 24576}} {
		for _, o := range r.offers(obj{"gpu_name": obj{"eq": name}}) {
			require.GreaterOrEqual(t, num(o, "gpu_ram"), ram[0])
			require.LessOrEqual(t, num(o, "gpu_ram"), ram[1])
		}
		require.Empty(t, r.offers(obj{"gpu_name": obj{"eq": strings.ReplaceAll(name, " ", "_")}}), "spaces, not underscores")
	}
	driver := regexp.MustCompile(`^(\d+)\.(\d+)(?:\.(\d+))?$`)
	for _, o := range all[:5] {
		parts := driver.FindStringSubmatch(o["driver_version"].(string))
		require.Len(t, parts, 4)
		padded := func(part string) string { return strings.Repeat("0", 3-len(part)) + part }
		require.Equal(t, parts[1]+padded(parts[2])+padded(parts[3]), itoa(o["driver_vers"]), "three digits a part, and noughts for those that are missing")
	}
}

func TestTrapsOfSearches(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(nil)[3]
	require.Empty(t, r.offers(obj{"id": obj{"eq": offer["id"]}}), "an id matches nothing")
	require.Len(t, r.offers(obj{"ask_contract_id": obj{"eq": offer["id"]}}), 1)
	require.Len(t, r.offers(obj{"limit": "5"}), 64, "a limit that is a string is let be")
	require.Equal(t, "bad_request", r.do(400, "POST", bundles, obj{"limit": obj{"eq": 5}})["error"])
	for _, o := range r.offers(obj{"geolocation": obj{"in": []any{"US"}}}) {
		if place, ok := o["geolocation"].(string); ok {
			require.True(t, strings.HasSuffix(place, ", US"), place)
		}
	}
	require.Empty(t, r.offers(obj{"geolocation": obj{"eq": "Texas, US"}}), "two letters only")
	priced := r.offers(obj{"ask_contract_id": obj{"eq": offer["id"]}, "allocated_storage": 100.0})[0]
	require.InDelta(t, num(offer, "dph_base")+num(offer, "storage_cost")*100/720, priced["dph_total"], 1e-9)
	require.Equal(t, "invalid_request", r.do(400, "POST", bundles, obj{"order": []any{obj{"col": "dph_total", "dir": "asc"}}})["error"], "offers sort by pairs")
	require.Equal(t, "invalid_request", r.do(400, "GET", `/api/v1/instances/?order_by=[["id","asc"]]`, nil)["error"], "and all else by objects")

	bid := r.cheap(obj{"type": "bid"})[3]
	id := r.rent(bid["id"], obj{"disk": 8})
	require.Equal(t, false, r.instance(id)["is_bid"], "without a price it is on demand")
	require.Greater(t, num(r.instance(id), "dph_base"), num(bid, "dph_base"))
	for _, o := range r.offers(obj{"type": "bid"}) {
		require.Positive(t, num(o, "min_bid"))
	}
	require.NotEmpty(t, func() (above []obj) {
		for _, o := range r.offers(obj{"min_bid": obj{"gt": 0.5}}) {
			if num(o, "min_bid") > num(o, "dph_base") {
				above = append(above, o)
			}
		}
		return above
	}(), "a bid can cost more than on demand")
}

func TestTrapsOfInstances(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	offer := r.cheap(obj{"inet_down_cost": obj{"gt": 0}})[3]
	id := r.rent(offer["id"], obj{"disk": 40, "env": obj{"A": "b", "-p 8000:8000": "1"}})
	fresh := r.instance(id)
	require.Nil(t, fresh["actual_status"])
	require.NotContains(t, fresh, "ports")
	require.Nil(t, fresh["mem_usage"])
	require.EqualValues(t, -1, fresh["direct_port_start"])
	require.EqualValues(t, -1, fresh["disk_usage"])
	r.until(id, "running", 8*time.Minute)
	r.pass(30 * time.Second)
	row := r.instance(id)
	require.Less(t, num(row, "mem_limit"), 3000.0, "GB")
	require.LessOrEqual(t, num(row, "disk_util"), 1.0, "a share")
	require.EqualValues(t, 40, row["disk_space"], "what was rented")
	require.Contains(t, row, "gpu_totalram")
	require.NotContains(t, row, "gpu_total_ram")
	require.InDelta(t, num(row, "dph_total")/num(row, "gpu_totalram"), row["vram_costperhour"], 1e-12, "not times 1024")
	require.Nil(t, row["hosting_type"])
	require.Equal(t, false, row["external"])
	require.IsType(t, "", row["ssh_idx"])
	require.IsType(t, 0.0, row["machine_dir_ssh_port"])
	require.IsType(t, []any{}, row["extra_env"], "pairs")
	require.Nil(t, row["label"])
	ports := row["ports"].(obj)["8000/tcp"].([]any)
	require.Len(t, ports, 2)
	require.IsType(t, "", ports[0].(obj)["HostPort"])
	require.True(t, strings.HasSuffix(row["local_ipaddrs"].(string), " \n"))
	require.Equal(t, map[string]any{"": 1.0}, r.do(200, "GET", "/api/v1/instances/", nil)["label_counts"])

	running := num(row, "dph_total")
	require.InDelta(t, running, row["search"].(obj)["totalHour"], 1e-9)
	r.set(id, "stopped")
	r.until(id, "exited", time.Minute)
	row = r.instance(id)
	require.InDelta(t, running, row["dph_total"], 1e-9, "it tells what it cost while it ran")
	require.InDelta(t, num(row, "storage_cost")*40/720, row["instance"].(obj)["totalHour"], 1e-9)
	require.EqualValues(t, 65535, row["direct_port_start"])

	r.do(200, "DELETE", path(id), obj{})
	require.Nil(t, r.instance(id), "200 and null")
	r.do(404, "DELETE", path(id), obj{})
	r.do(404, "PUT", path(id), obj{"state": "running"})
}

func TestTrapsOfTheRest(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	user := r.do(200, "GET", "/api/v0/users/current/", nil)
	require.Greater(t, num(user, "created_at"), 1e12, "milliseconds")
	require.Equal(t, math.Trunc(num(user, "created_at")), user["created_at"])

	template := objects(r.do(200, "GET", `/api/v0/template/?select_filters={}`, nil)["templates"])[0]
	require.IsType(t, "", template["env"])
	filters, ok := template["extra_filters"].(string)
	require.True(t, ok)
	require.True(t, json.Valid([]byte(filters)))

	r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 AAAA me"})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	keys, ok := r.do(200, "GET", path(id)+"ssh/", nil)["ssh_keys"].(string)
	require.True(t, ok, "JSON in a string")
	require.True(t, json.Valid([]byte(keys)))

	r.pass(time.Hour)
	for _, row := range objects(r.do(200, "GET", charged(0, 1<<40), nil)["results"]) {
		require.InDelta(t, math.Round(num(row, "amount")*1000), num(row, "amount")*1000, 1e-6, "three decimals")
	}

	ask := "/api/v0/asks/" + itoa(r.cheap(nil)[5]["id"]) + "/"
	for name, body := range map[string]obj{
		"label":         {"image": "x", "label": strings.Repeat("l", 257)},
		"onstart":       {"image": "x", "onstart": strings.Repeat("l", 16385)},
		"an env entry":  {"image": "x", "env": obj{"A": strings.Repeat("l", 256)}},
		"a disk of 7":   {"image": "x", "disk": 7},
		"a large disk":  {"image": "x", "disk": 1e6},
		"no such place": {"image": "x", "runtype": "ftp"},
	} {
		require.Equal(t, "invalid_args", r.do(400, "PUT", ask, body)["error"], name)
	}
}
