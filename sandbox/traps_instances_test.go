package sandbox_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

func trapsOfStates() []trap {
	return []trap{
		{"24 direct ports are -1 before, and odd after", func(s scene) {
			lowest, highest := math.Inf(1), 0.0
			for _, bound := range s.running["ports"].(obj) {
				var port float64
				require.NoError(s.t, json.Unmarshal([]byte(objects(bound)[0]["HostPort"].(string)), &port))
				lowest, highest = min(lowest, port), max(highest, port)
			}
			for _, c := range []struct{ row, want obj }{
				{s.fresh, obj{"start": -1.0, "end": -1.0}},
				{s.running, obj{"start": lowest, "end": highest}},
				{s.stopped, obj{"start": 65535.0, "end": -1.0}},
			} {
				require.Equal(s.t, c.want, obj{"start": c.row["direct_port_start"], "end": c.row["direct_port_end"]})
			}
		}},
		{"25 ports are there while it runs, twice, as strings", func(s scene) {
			for _, row := range []obj{s.fresh, s.stopped, s.starting} {
				require.NotContains(s.t, row, "ports")
			}
			bound := objects(s.running["ports"].(obj)["8000/tcp"])
			require.Len(s.t, bound, 2)
			require.Equal(s.t, []any{"0.0.0.0", "::"}, []any{bound[0]["HostIp"], bound[1]["HostIp"]})
			require.IsType(s.t, "", bound[0]["HostPort"])
			require.Equal(s.t, bound[0]["HostPort"], bound[1]["HostPort"])
			require.True(s.t, strings.HasSuffix(s.running["local_ipaddrs"].(string), " \n"), "the addresses end in a blank and a new line")
		}},
		{"35 uptime_mins tells nothing of what is billed", func(s scene) {
			for _, row := range s.rows() {
				require.Contains(s.t, row, "uptime_mins")
				require.Nil(s.t, row["uptime_mins"])
			}
			billed := time.Duration(0)
			for _, e := range s.ledger() {
				if e.Kind == "gpu" && !e.End.IsZero() {
					billed += e.End.Sub(e.Start)
				}
			}
			require.Greater(s.t, billed, time.Hour)
		}},
		{"36 actual_status lags", func(s scene) {
			require.Equal(s.t, []any{"running", "running", "running", nil}, words(s.fresh))
			require.Equal(s.t, []any{"stopped", "stopped", "stopped", "running"}, words(s.stopping))
			require.Equal(s.t, []any{"running", "running", "running", "exited"}, words(s.starting), "it is on its way")
		}},
		{"39 what is destroyed reads as null and writes as 404", func(s scene) {
			r := s.market()
			id := r.rent(r.cheap(nil)[3]["id"], nil)
			r.do(200, "DELETE", path(id), obj{})
			require.Equal(s.t, obj{"instances": nil}, r.do(200, "GET", path(id), nil))
			r.do(404, "DELETE", path(id), obj{})
			r.do(404, "PUT", path(id), obj{"state": "running"})
		}},
	}
}

func trapsOfInstances() []trap {
	return []trap{
		{"3 mem_limit is in GB", func(s scene) {
			for _, key := range []string{"mem_limit", "mem_usage", "vmem_usage"} {
				require.Contains(s.t, s.fresh, key)
				require.Nil(s.t, s.fresh[key], "until it is reported")
			}
			limit := num(s.running, "mem_limit")
			require.InDelta(s.t, num(s.running, "cpu_ram")/1000*num(s.running, "gpu_frac"), limit, 0.1)
			require.Less(s.t, num(s.running, "mem_usage"), limit)
			require.Less(s.t, num(s.running, "vmem_usage"), limit)
		}},
		{"23 disk_space is what is free, or what was rented", func(s scene) {
			r := s.market()
			offer := obj{"ask_contract_id": obj{"eq": s.offer["id"]}}
			r.rent(s.offer["id"], obj{"disk": sceneDisk})
			s.near(num(s.offer, "disk_space")-sceneDisk, r.offers(offer)[0], "disk_space")

			require.EqualValues(s.t, sceneDisk, s.running["disk_space"])
			require.Equal(s.t, []any{-1.0, -1.0}, []any{s.fresh["disk_usage"], s.fresh["disk_util"]}, "not known yet")
			util := num(s.running, "disk_util")
			require.Positive(s.t, util)
			require.LessOrEqual(s.t, util, 1.0, "a share")
			require.InDelta(s.t, util*sceneDisk, s.running["disk_usage"], 0.01, "GB")
		}},
		{"41 a disk keeps its size", func(s scene) {
			r := s.market()
			offer := r.cheap(nil)[3]
			for _, size := range []float64{7, num(offer, "disk_space") + 1} {
				require.Equal(s.t, "invalid_args", r.do(400, "PUT", askPath(offer), obj{"image": "x", "disk": size})["error"])
			}
			id := r.rent(offer["id"], obj{"disk": sceneDisk})
			require.Equal(s.t, "invalid_args", r.do(400, "PUT", path(id), obj{"disk": 80})["error"])
			r.do(200, "PUT", path(id), obj{"state": "stopped", "disk": 80})
			r.do(200, "PUT", "/api/v0/instances/update_template/"+itoa(float64(id))+"/", obj{"image": "y", "disk": 80})
			require.EqualValues(s.t, sceneDisk, r.instance(id)["disk_space"])
		}},
		{"42 gpu_totalram has one underscore less on instances", func(s scene) {
			require.Equal(s.t, s.offer["gpu_total_ram"], s.running["gpu_totalram"])
			require.NotContains(s.t, s.running, "gpu_total_ram")
			require.NotContains(s.t, s.offer, "gpu_totalram")
		}},
		{"43 machine_dir_ssh_port is a number, ssh_idx a string", func(s scene) {
			require.IsType(s.t, 0.0, s.running["machine_dir_ssh_port"])
			require.IsType(s.t, "", s.running["ssh_idx"])
			require.Equal(s.t, "ssh"+s.running["ssh_idx"].(string)+".vast.ai", s.running["ssh_host"])
		}},
	}
}

func trapsOfEncodings() []trap {
	return []trap{
		{"26 extra_env is pairs", func(s scene) {
			require.Equal(s.t, []any{[]any{"-p 8000:8000", "1"}, []any{"A", "b"}}, s.running["extra_env"])
		}},
		{"27 a template's env is flags, its filters JSON in a string", func(s scene) {
			templates := objects(s.do(200, "GET", `/api/v0/template/?select_filters={}`, nil)["templates"])
			require.NotEmpty(s.t, templates)
			for _, template := range templates {
				if template["env"] != "" {
					require.Regexp(s.t, "^-[epv] ", template["env"])
				}
				require.True(s.t, json.Valid([]byte(template["extra_filters"].(string))))
			}
		}},
		{"28 an instance's ssh_keys are JSON in a string", func(s scene) {
			r := s.market()
			r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 AAAA me"})
			id := r.rent(r.cheap(nil)[3]["id"], nil)
			var keys []obj
			require.NoError(s.t, json.Unmarshal([]byte(r.do(200, "GET", path(id)+"ssh/", nil)["ssh_keys"].(string)), &keys))
			require.Equal(s.t, "ssh-ed25519 AAAA me", keys[0]["public_key"])
		}},
		{"29 created_at is milliseconds for users, seconds for all else", func(s scene) {
			r := s.market()
			require.EqualValues(s.t, epoch.UnixMilli(), r.do(200, "GET", "/api/v0/users/current/", nil)["created_at"])
			r.pass(500 * time.Millisecond)
			r.do(200, "POST", "/api/v0/ssh/", obj{"ssh_key": "ssh-ed25519 AAAA me"})
			s.near(float64(epoch.Unix())+0.5, r.keys()[0], "created_at")
			for _, template := range objects(r.do(200, "GET", `/api/v0/template/?select_filters={}`, nil)["templates"]) {
				require.Less(s.t, num(template, "created_at"), float64(epoch.Unix()))
			}
		}},
		{"34 a label is any text; none is null, and counted as an empty one", func(s scene) {
			const label = `owner=me; run/7 "ü" ✓`
			r := s.market()
			offers := r.cheap(nil)
			require.Nil(s.t, r.instance(r.rent(offers[3]["id"], nil))["label"])
			require.Equal(s.t, label, r.instance(r.rent(offers[4]["id"], obj{"label": label}))["label"])
			require.Equal(s.t, obj{"": 1.0, label: 1.0}, r.do(200, "GET", "/api/v1/instances/", nil)["label_counts"])
		}},
	}
}

func trapsOfRequests() []trap {
	text := func(n int) string { return strings.Repeat("l", n) }
	full := obj{} // 128 times 256 characters
	for i := range 128 {
		full[fmt.Sprintf("V%03d", i)] = text(252)
	}
	over := maps.Clone(full)
	over["W"] = ""
	return []trap{
		{"40 label, env and onstart have their limits", func(s scene) {
			r := s.market()
			offers := r.cheap(nil)
			for i, c := range []struct {
				field      string
				most, more any
			}{
				{"label", text(256), text(257)},
				{"env", obj{"A": text(255)}, obj{"A": text(256)}},
				{"env", full, over},
				{"onstart", text(16384), text(16385)},
			} {
				require.Equal(s.t, "invalid_args", r.do(400, "PUT", askPath(offers[i]), obj{"image": "x", c.field: c.more})["error"], c.field)
				row := r.instance(r.rent(offers[i]["id"], obj{c.field: c.most}))
				if vars, ok := c.most.(obj); ok {
					require.Len(s.t, row["extra_env"], len(vars))
				} else {
					require.Equal(s.t, c.most, row[c.field])
				}
			}
			require.EqualValues(s.t, 4, r.do(200, "GET", "/api/v1/instances/", nil)["total_instances"], "what is refused isn't rented")
		}},
	}
}
