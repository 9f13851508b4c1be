package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const firstJob = 710_001

func jobRoutes() []route {
	return []route{
		{method: http.MethodGet, path: jobsPath, op: "jobs", access: inInstanceRead, handle: (*tx).listJobs},
		{method: http.MethodPost, path: jobsPath, op: "job_create", access: inInstanceWrite, writes: true, handle: (*tx).createJob},
		{method: http.MethodPut, path: jobsPath + "{id}/", op: "job_update", access: inInstanceWrite, writes: true, handle: (*tx).updateJob},
		{method: http.MethodDelete, path: jobsPath + "{id}/", op: "job_delete", access: inInstanceWrite, writes: true, handle: (*tx).deleteJob},
	}
}

const (
	jobsPath  = "/api/v0/commands/schedule_job/"
	everyHour = "HOURLY"
	everyDay  = "DAILY"
	everyWeek = "WEEKLY"
)

// job is a request that the market makes by itself, again and again.
type job struct {
	jobRow
	After time.Time `json:"after"` // it runs next at its first time behind this
}

// jobRow is a job as the API serves it.
type jobRow struct {
	ID        int64           `json:"id"`
	Instance  int64           `json:"instance_id"`
	Endpoint  string          `json:"api_endpoint"`
	Method    string          `json:"request_method"`
	Body      json.RawMessage `json:"request_body"`
	Frequency string          `json:"frequency"`
	Day       *int            `json:"day_of_the_week"` // 0 is Sunday
	Hour      *int            `json:"hour_of_the_day"` // UTC
	Minute    int             `json:"min_of_the_hour"`
	Start     float64         `json:"start_time"`
	End       float64         `json:"end_time"`
	CreatedAt float64         `json:"created_at"`
}

func (j job) sound() bool { return sane(j.After) && j.check() == "" }

// fit drops the times that the frequency has no use for.
func (j *jobRow) fit() {
	if j.Frequency != everyWeek {
		j.Day = nil
	}
	if j.Frequency == everyHour {
		j.Hour = nil
	}
}

// check says what is wrong with a job.
func (j jobRow) check() string {
	within := func(n *int, most int) bool { return n != nil && *n >= 0 && *n <= most }
	switch {
	case !slices.Contains([]string{everyHour, everyDay, everyWeek}, j.Frequency):
		return "'frequency' must be HOURLY, DAILY or WEEKLY"
	case j.Frequency == everyWeek && !within(j.Day, 6):
		return "'day_of_the_week' must be from 0 (Sunday) to 6"
	case j.Frequency != everyHour && !within(j.Hour, 23):
		return "'hour_of_the_day' must be from 0 to 23"
	case j.Minute < 0 || j.Minute > 59:
		return "'min_of_the_hour' is from 0 to 59"
	case !(j.End > j.Start):
		return "'end_time' must be after 'start_time'"
	default:
		return ""
	}
}

// next is when the job runs next, if it does before its end.
func (j job) next() (time.Time, bool) {
	from := latest(j.After, fromUnix(j.Start).Add(-time.Nanosecond))
	at := from.Truncate(time.Hour).Add(time.Duration(j.Minute) * time.Minute)
	for !at.After(from) || (j.Hour != nil && at.Hour() != *j.Hour) || (j.Day != nil && int(at.Weekday()) != *j.Day) {
		at = at.Add(time.Hour)
	}
	return at, !at.After(fromUnix(j.End))
}

// listJobs answers GET /commands/schedule_job/ with a bare array.
func (t *tx) listJobs() answer {
	rows := []jobRow{}
	for _, j := range t.st.Jobs {
		rows = append(rows, j.jobRow)
	}
	return reply(rows)
}

// createJob answers POST /commands/schedule_job/. There is one job for an
// endpoint; who wants another is told which to change.
func (t *tx) createJob() answer {
	row := jobRow{Method: http.MethodPut, Body: json.RawMessage("{}"), End: unix(t.now.Add(farthest))}
	if json.Unmarshal(t.body, &row) != nil {
		return badJSON()
	}
	row.ID, row.CreatedAt = firstJob+t.st.LastJob, unix(t.now)
	row.fit()
	j := job{jobRow: row, After: t.now}
	for _, other := range t.st.Jobs {
		if other.path() == j.path() && other.Method == j.Method {
			a := reply(map[string]any{
				"success": false, "error": "scheduled_job_exists", "scheduled_job_id": other.ID,
				"msg": fmt.Sprintf("There is a scheduled job for %s already.", j.Endpoint),
			})
			a.status = http.StatusUnprocessableEntity
			return a
		}
	}
	if refusal, ok := t.checkJob(j); !ok {
		return refusal
	}
	t.st.LastJob++
	t.st.Jobs = append(t.st.Jobs, j)
	return reply(map[string]any{"success": true, "scheduled_job_id": j.ID, "scheduled_job": j.jobRow})
}

// updateJob answers PUT /commands/schedule_job/{id}/: what the body leaves
// out stays.
func (t *tx) updateJob() answer {
	i := t.job()
	if i < 0 {
		return noSuchJob()
	}
	j := t.st.Jobs[i]
	changed := job{jobRow: j.without(), After: t.now}
	if json.Unmarshal(t.body, &changed.jobRow) != nil {
		return badJSON()
	}
	if changed.Body == nil {
		return invalidArgs("Invalid args: 'request_body' is required")
	}
	changed.ID, changed.CreatedAt = j.ID, j.CreatedAt
	changed.fit()
	if refusal, ok := t.checkJob(changed); !ok {
		return refusal
	}
	t.st.Jobs[i] = changed
	return reply(map[string]any{"success": true, "scheduled_job_id": changed.ID, "scheduled_job": changed.jobRow})
}

// without is the row to read changes into: a copy without a body.
func (j job) without() jobRow {
	row := j.jobRow
	row.Body = nil
	for _, p := range []**int{&row.Day, &row.Hour} {
		if *p != nil {
			*p = new(**p)
		}
	}
	return row
}

// deleteJob answers DELETE /commands/schedule_job/{id}/.
func (t *tx) deleteJob() answer {
	i := t.job()
	if i < 0 {
		return noSuchJob()
	}
	t.st.Jobs = slices.Delete(t.st.Jobs, i, i+1)
	return success()
}

func (t *tx) job() int {
	id, _ := t.id()
	return slices.IndexFunc(t.st.Jobs, func(j job) bool { return j.ID == id })
}

func noSuchJob() answer {
	return refuse(http.StatusNotFound, "not_found", "There is no such scheduled job.")
}

// checkJob wants a job that can run: a request that is served, and is no job
// itself.
func (t *tx) checkJob(j job) (answer, bool) {
	if wrong := j.check(); wrong != "" {
		return invalidArgs("Invalid args: %s", wrong), false
	}
	if _, _, served := match(t.m.routes, j.Method, slashed(j.path())); !served || strings.HasPrefix(j.path(), jobsPath) {
		return invalidArgs("Invalid args: %s %s can't be scheduled", j.Method, j.Endpoint), false
	}
	if j.Instance != 0 && t.st.contract(j.Instance) == nil {
		return noSuchInstance(j.Instance), false
	}
	return answer{}, true
}

// path is the endpoint as requests have it; clients leave the prefix out.
func (j jobRow) path() string {
	if strings.HasPrefix(j.Endpoint, "/api/") {
		return j.Endpoint
	}
	return "/api/v0/" + strings.TrimPrefix(j.Endpoint, "/")
}

// play lets time pass up to a moment, with the jobs that are due until then.
func (m *Market) play(st *state, now time.Time) {
	for {
		first, at := -1, now
		for i, j := range st.Jobs {
			if due, runs := j.next(); runs && !due.After(at) && (first < 0 || due.Before(at)) {
				first, at = i, due
			}
		}
		if first < 0 {
			break
		}
		at = latest(at, st.At)
		j := st.Jobs[first]
		st.Jobs[first].After = at
		st.advance(at)
		m.runJob(st, j, at)
	}
	st.advance(now)
}

// runJob makes the job's request. Nobody is told when it is refused.
func (m *Market) runJob(st *state, j job, at time.Time) {
	route, args, ok := match(m.routes, j.Method, slashed(j.path()))
	if !ok {
		return
	}
	r, err := http.NewRequest(j.Method, m.Origin()+slashed(j.path()), bytes.NewReader(j.Body)) //nolint:noctx // nothing waits for it
	if err != nil {
		return
	}
	t := &tx{m: m, st: st, world: m.world, now: at, r: r, body: j.Body, args: args}
	route.handle(t)
}
