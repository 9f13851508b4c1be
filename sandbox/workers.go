package sandbox

import "fmt"

// What a worker does, in the runtime's words.
const (
	workerCreating  = "creating"
	workerLoading   = "loading"
	workerStarting  = "starting"
	workerModel     = "model_loading"
	workerIdle      = "idle" // ready
	workerRebooting = "rebooting"
	workerStopping  = "stopping"
	workerStopped   = "stopped"
	workerError     = "error"
)

func workerStatuses() []string {
	return []string{
		workerIdle, workerModel, workerStarting, workerLoading, workerCreating,
		workerRebooting, workerStopping, workerStopped, workerError,
	}
}

// workerStatus follows from what the instance does.
func (t *tx) workerStatus(c *contract) string {
	wanted := c.Intended == wantRunning
	switch c.Phase {
	case accepted:
		return workerCreating
	case loading:
		return workerLoading
	case pullFailed, abandoned, unstarted, unheard, offline, reaped:
		return workerError
	case rebooting, recycling:
		return workerRebooting
	case running:
		switch {
		case !wanted:
			return workerStopping
		case c.openPorts(t.now):
			return workerIdle
		default:
			return workerModel
		}
	default:
		if wanted {
			return workerStarting
		}
		return workerStopped
	}
}

// workerRow is a worker as the runtime serves it.
type workerRow struct {
	ID                int64    `json:"id"`
	Status            string   `json:"status"`
	URL               *string  `json:"url"`
	GPUName           string   `json:"gpu_name"`
	CurLoad           float64  `json:"cur_load"`
	NewLoad           float64  `json:"new_load"`
	CurLoadRollingAvg float64  `json:"cur_load_rolling_avg"`
	CurPerf           float64  `json:"cur_perf"`
	Perf              float64  `json:"perf"`
	MeasuredPerf      float64  `json:"measured_perf"`
	DLPerf            float64  `json:"dlperf"`
	Reliability       float64  `json:"reliability"`
	ReqsWorking       int64    `json:"reqs_working"`
	DiskUsage         float64  `json:"disk_usage"`
	CreatedAt         float64  `json:"created_at"`
	StartedAt         *float64 `json:"started_at"`
	LoadedAt          *float64 `json:"loaded_at"`
}

// workerRows are the workers of the workergroups. Load is spread evenly over
// the ready ones.
func (t *tx) workerRows(groups []*workergroup) []workerRow {
	rows := []workerRow{}
	for _, g := range groups {
		for _, w := range g.Workers {
			if c := t.st.contract(w.ID); c != nil {
				rows = append(rows, t.workerRow(w, c))
			}
		}
	}
	ready := 0
	for _, row := range rows {
		if row.Status == workerIdle {
			ready++
		}
	}
	for i := range rows {
		if rows[i].Status == workerIdle {
			share := round(t.st.Serverless.endpoint(groups[0].Endpoint).load(t.now)/float64(ready), 3)
			rows[i].CurLoad, rows[i].NewLoad, rows[i].CurLoadRollingAvg = share, share, share
		}
	}
	return rows
}

func (t *tx) workerRow(w *worker, c *contract) workerRow {
	a := t.world.asks[c.Ask]
	row := workerRow{
		ID: w.ID, Status: t.workerStatus(c), GPUName: a.m.model.name, Perf: w.Perf,
		DLPerf: round(a.m.dlperf*float64(c.GPUs), 2), Reliability: a.m.reliability, CreatedAt: unix(c.Created),
	}
	if c.Pulled {
		row.MeasuredPerf, row.DiskUsage = w.Perf, round(0.2*c.Disk, 2)
	}
	if row.Status == workerIdle {
		row.CurPerf, row.URL = w.Perf, new(t.workerURL(c))
		row.StartedAt, row.LoadedAt = new(unix(c.Since)), new(unix(c.Since))
	}
	return row
}

// workerURL is where the worker takes requests. Nothing listens there.
func (t *tx) workerURL(c *contract) string {
	m := t.world.asks[c.Ask].m
	ports := c.bindings(t.st.Seed, int(m.portCount))
	_, last := portRange(ports)
	port := fmt.Sprint(max(last, 0))
	if b, ok := ports[workerPort]; ok {
		port = b[0].HostPort
	}
	return fmt.Sprintf("https://%s:%s", m.ip, port)
}
