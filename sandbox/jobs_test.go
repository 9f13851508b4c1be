package sandbox_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

const jobsPath = "/api/v0/commands/schedule_job/"

// daily is a job as the official client makes one.
func daily(id int64, endpoint string, body any, hour int) obj {
	return obj{
		"start_time": float64(epoch.Unix()), "end_time": float64(epoch.Add(7 * 24 * time.Hour).Unix()),
		"api_endpoint": endpoint, "request_method": "PUT", "request_body": body,
		"frequency": "DAILY", "day_of_the_week": nil, "hour_of_the_day": hour, "instance_id": id,
	}
}

func (r *rig) jobs() []obj {
	r.t.Helper()
	_, text, err := r.send("GET", jobsPath, nil)
	require.NoError(r.t, err)
	var rows []obj
	require.NoError(r.t, json.Unmarshal(text, &rows))
	return rows
}

// Jobs happen at their market time, however rarely somebody looks.
func TestJobsRun(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1}
	r := newRig(t, o) // 09:30 on a Monday
	id := r.up(3, nil)
	require.Empty(t, r.jobs())
	stop := daily(id, path(id), obj{"state": "stopped"}, 12)
	out := r.do(200, "POST", jobsPath, stop)
	require.Equal(t, true, out["success"])
	again := r.do(422, "POST", jobsPath, stop)
	require.Equal(t, out["scheduled_job_id"], again["scheduled_job_id"], "who wants another is told which to change")

	r.pass(2 * time.Hour)
	require.Equal(t, "running", r.instance(id)["actual_status"])
	r.pass(40 * time.Minute)
	require.Equal(t, "exited", r.open(o).instance(id)["actual_status"], "another process sees it, too")
	var ended time.Time
	for _, e := range r.ledger() {
		if e.Kind == "gpu" {
			ended = e.End
		}
	}
	require.WithinRange(t, ended, epoch.Add(150*time.Minute), epoch.Add(151*time.Minute))

	r.set(id, "running")
	r.pass(24 * time.Hour)
	require.Equal(t, "exited", r.instance(id)["actual_status"], "the next day again")

	row := r.jobs()[0]
	require.Equal(t, out["scheduled_job_id"], row["id"])
	for _, key := range []string{"api_endpoint", "start_time", "end_time", "hour_of_the_day", "frequency", "request_method", "request_body"} {
		require.EqualValues(t, stop[key], row[key], key)
	}
	require.EqualValues(t, id, row["instance_id"])
	require.Nil(t, row["day_of_the_week"])
	require.NotContains(t, row, "after")

	one := jobsPath + itoa(out["scheduled_job_id"]) + "/"
	require.Equal(t, obj{"success": true}, r.do(200, "DELETE", one, obj{}))
	require.Equal(t, "not_found", r.do(404, "DELETE", one, obj{})["error"])
	r.set(id, "running")
	r.pass(24 * time.Hour)
	require.Equal(t, "running", r.instance(id)["actual_status"])
}

func TestJobsEnd(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	r.do(200, "POST", jobsPath, daily(id, path(id), obj{"state": "stopped"}, 8)) // a week from Monday 09:30
	r.pass(8 * 24 * time.Hour)
	r.set(id, "running")
	r.pass(48 * time.Hour)
	require.Equal(t, "running", r.instance(id)["actual_status"])

	require.Len(t, r.jobs(), 1)
	r.do(200, "DELETE", path(id), obj{})
	require.Empty(t, r.jobs(), "a job ends with its instance")
}

func TestJobFrequencies(t *testing.T) {
	for name, c := range map[string]struct {
		change obj
		runs   int // in eight days from Monday 09:30
	}{
		"every hour":               {obj{"frequency": "HOURLY", "hour_of_the_day": nil}, 24 * 8},
		"every day":                {obj{}, 8},
		"Sundays":                  {obj{"frequency": "WEEKLY", "day_of_the_week": 0}, 1},
		"Mondays":                  {obj{"frequency": "WEEKLY", "day_of_the_week": 1, "hour_of_the_day": 10}, 2},
		"from the third day on":    {obj{"start_time": epoch.Add(48 * time.Hour).Unix()}, 6},
		"only on the first day":    {obj{"end_time": epoch.Add(24 * time.Hour).Unix()}, 1},
		"without the API's prefix": {obj{"api_endpoint": "/instances/bid_price/%d/"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sandbox.Options{Credit: 1000})
			offer := r.biddable()
			id := r.rent(offer["id"], obj{"price": num(offer, "min_bid") + 0.01})
			r.until(id, "running", 8*time.Minute)
			*r.wall = epoch.Add(10 * time.Minute)
			body := daily(id, bidPath(id), obj{"price": nil}, 12)
			body["end_time"] = epoch.Add(30 * 24 * time.Hour).Unix()
			maps.Copy(body, c.change)
			if name == "without the API's prefix" {
				body["api_endpoint"] = bidPath(id)[len("/api/v0"):]
			}
			r.do(200, "POST", jobsPath, body)
			*r.wall = epoch.Add(8*24*time.Hour + 10*time.Minute)
			metered := 0
			for _, e := range r.ledger() {
				if e.Kind == "gpu" {
					metered++
				}
			}
			require.Equal(t, 1+c.runs, metered, "each run closes a meter and opens one")
		})
	}
}

func TestUpdateJob(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.up(3, nil)
	out := r.do(200, "POST", jobsPath, daily(id, path(id), obj{"state": "stopped"}, 12))
	one := jobsPath + itoa(out["scheduled_job_id"]) + "/"
	r.do(400, "PUT", one, obj{"hour_of_the_day": 15})
	r.do(400, "PUT", one, obj{"hour_of_the_day": 25, "request_body": obj{}})
	require.EqualValues(t, 12, r.jobs()[0]["hour_of_the_day"], "a refusal changes nothing")
	r.do(200, "PUT", one, obj{"hour_of_the_day": 15, "request_body": obj{"state": "stopped"}})
	r.pass(4 * time.Hour)
	require.Equal(t, "running", r.instance(id)["actual_status"])
	r.pass(2 * time.Hour)
	require.Equal(t, "exited", r.instance(id)["actual_status"])
	r.do(200, "PUT", one, obj{"frequency": "HOURLY", "request_body": obj{"state": "running"}})
	require.Nil(t, r.jobs()[0]["hour_of_the_day"])
	r.pass(time.Hour)
	require.Equal(t, "running", r.instance(id)["intended_status"])
	r.do(400, "PUT", one, "{")
	r.do(404, "PUT", jobsPath+"1/", obj{"request_body": obj{}})
}

func TestJobRefusals(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	id := r.rent(r.cheap(nil)[3]["id"], nil)
	for name, change := range map[string]obj{
		"frequency":    {"frequency": "YEARLY"},
		"no hour":      {"hour_of_the_day": nil},
		"hour":         {"hour_of_the_day": 24},
		"day":          {"frequency": "WEEKLY", "day_of_the_week": 7},
		"no day":       {"frequency": "WEEKLY"},
		"minute":       {"min_of_the_hour": 60},
		"order":        {"end_time": 1},
		"endpoint":     {"api_endpoint": "/api/v0/nothing/"},
		"job of a job": {"api_endpoint": jobsPath + "710001/"},
	} {
		body := daily(id, path(id), obj{"state": "stopped"}, 12)
		maps.Copy(body, change)
		require.Equal(t, "invalid_args", r.do(400, "POST", jobsPath, body)["error"], name)
	}
	require.Equal(t, "no_such_instance", r.do(404, "POST", jobsPath, daily(1, path(id), obj{}, 12))["error"])
	r.do(400, "POST", jobsPath, "{")
	require.Empty(t, r.jobs())
}
