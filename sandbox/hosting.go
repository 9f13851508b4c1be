package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// hosted is how many machines the account offers under its host key: the last
// of the world. What it asks for them is remembered, and told to the host;
// the offers that others see follow from the seed alone.
const hosted = 2

const (
	reportsShown    = 20
	maxReports      = 1000
	maxWindowHours  = 24 * 365
	farthestWindow  = 365 * 24 * time.Hour
	notTheOwner     = "Only machine owner can create ask contracts"
	noSuchMachine   = "No such machine id"
	noOwnMachineIDs = "only include machine_ids that exist and are owned by you"
)

// hosting is what hosts and renters said of machines.
type hosting struct {
	Listings map[int64]asked `json:"listings,omitempty"` // by machine
	Reports  []report        `json:"reports,omitempty"`
	Windows  []window        `json:"windows,omitempty"`
	Made     int64           `json:"made,omitempty"` // ids given so far
}

// asked are a host's terms for a machine, in dollars.
type asked struct {
	Unlisted    bool     `json:"unlisted,omitempty"`
	PriceGPU    *float64 `json:"price_gpu"`
	PriceDisk   *float64 `json:"price_disk"`
	PriceInetUp *float64 `json:"price_inetu"`
	PriceInetDn *float64 `json:"price_inetd"`
	PriceMinBid *float64 `json:"price_min_bid"`
	MinChunk    *float64 `json:"min_chunk"`
	EndDate     *float64 `json:"end_date"`
	DiscountMax *float64 `json:"credit_discount_max"`
	VolSize     *float64 `json:"vol_size"`
	VolPrice    *float64 `json:"vol_price"`
}

// report is a renter's word about a machine.
type report struct {
	Machine int64     `json:"machine"`
	Problem string    `json:"problem"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// window is a time that a machine is to be down.
type window struct {
	ID       int64     `json:"id"`
	Machine  int64     `json:"machine"`
	Start    time.Time `json:"start"`
	Hours    int64     `json:"hours"`
	Category string    `json:"category"`
	Reason   *string   `json:"reason"`
	Created  time.Time `json:"created"`
}

func (h *hosting) sound() bool {
	return h.Made >= 0 &&
		!slices.ContainsFunc(h.Reports, func(r report) bool { return !sane(r.At) }) &&
		!slices.ContainsFunc(h.Windows, func(w window) bool {
			return !sane(w.Start) || !sane(w.Created) || w.Hours < 1 || w.Hours > maxWindowHours
		})
}

func (w window) end() time.Time { return w.Start.Add(time.Duration(w.Hours) * time.Hour) }

// machineWithID finds any machine of the market; nil without one.
func (w *world) machineWithID(id int64) *machine {
	for _, a := range w.offers {
		if a.m.id == id {
			return a.m
		}
	}
	return nil
}

// isHost tells whether the request has the account's host key.
func (t *tx) isHost() bool { return sameKey(keyOf(t.r), t.m.hostKey) }

// machine finds the machine of the path among the caller's own; nil without
// one. A renter has none.
func (t *tx) machine() (int64, *machine) {
	id, ok := t.id()
	if !ok {
		return id, nil
	}
	return id, t.ownMachine(id)
}

func (t *tx) ownMachine(id int64) *machine {
	m := t.world.machineWithID(id)
	if m == nil || m.index < machines-hosted || !t.isHost() {
		return nil
	}
	return m
}

func hostingRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/v0/machines/", op: "machines", access: inMachineRead, handle: (*tx).listMachines},
		{method: http.MethodPut, path: "/api/v0/machines/create_asks/", op: "machine_list", access: inMachineWrite, writes: true, handle: (*tx).createAsks},
		{method: http.MethodGet, path: "/api/v0/machines/maintenances/", op: "maintenances", access: inInstanceRead, handle: (*tx).listMaintenances},
		{method: http.MethodGet, path: "/api/v0/machines/{id}/", op: "machine_get", access: inMachineRead, handle: (*tx).getMachine},
		{method: http.MethodPut, path: "/api/v0/machines/{id}/report/", op: "machine_report", access: inInstanceWrite, writes: true, handle: (*tx).reportMachine},
		{method: http.MethodGet, path: "/api/v0/machines/{id}/reports/", op: "machine_reports", access: inMachineRead, handle: (*tx).listReports},
		{method: http.MethodDelete, path: "/api/v0/machines/{id}/asks/", op: "machine_unlist", access: inMachineWrite, writes: true, handle: (*tx).deleteAsks},
		{method: http.MethodPut, path: "/api/v0/machines/{id}/minbid/", op: "machine_minbid", access: inMachineWrite, writes: true, handle: (*tx).setMinBid},
		{method: http.MethodPut, path: "/api/v0/machines/{id}/dnotify/", op: "maintenance_schedule", access: inMachineWrite, writes: true, handle: (*tx).scheduleMaintenance},
		{method: http.MethodPut, path: "/api/v0/machines/{id}/cancel_maint/", op: "maintenance_cancel", access: inMachineWrite, writes: true, handle: (*tx).cancelMaintenance},
	}
}

func (t *tx) listing(m *machine) asked { return t.st.Hosting.Listings[m.id] }

func (t *tx) setListing(m *machine, a asked) {
	if t.st.Hosting.Listings == nil {
		t.st.Hosting.Listings = map[int64]asked{}
	}
	t.st.Hosting.Listings[m.id] = a
}

// createAsks answers PUT /machines/create_asks/: terms left out stay.
func (t *tx) createAsks() answer {
	var in struct {
		Machine int64 `json:"machine"`
		asked
	}
	if json.Unmarshal(t.body, &in) != nil {
		return invalidArgs("Invalid machine id or parameters")
	}
	m := t.ownMachine(in.Machine)
	if m == nil {
		return refuse(http.StatusForbidden, "not_authorized", notTheOwner)
	}
	for _, f := range []*float64{in.PriceGPU, in.PriceDisk, in.PriceInetUp, in.PriceInetDn, in.PriceMinBid, in.MinChunk, in.DiscountMax} {
		if f != nil && !(*f >= 0 && *f <= mostPrice) {
			return invalidArgs("Invalid machine id or parameters")
		}
	}
	next := in.asked
	next.Unlisted = false
	next = next.over(t.listing(m))
	t.setListing(m, next)
	return reply(map[string]any{"success": true, "extended": 0})
}

// deleteAsks answers DELETE /machines/{id}/asks/.
func (t *tx) deleteAsks() answer {
	id, m := t.machine()
	if m == nil {
		return machineNotFound(id)
	}
	next := t.listing(m)
	next.Unlisted = true
	t.setListing(m, next)
	return reply(map[string]any{"success": true, "machine_id": id, "user_id": userID})
}

func machineNotFound(id int64) answer {
	a := reply(map[string]any{"success": false, "error": "no_such_machine", "msg": noSuchMachine, "machine_id": id, "user_id": userID})
	a.status = http.StatusNotFound
	return a
}

// setMinBid answers PUT /machines/{id}/minbid/.
func (t *tx) setMinBid() answer {
	_, m := t.machine()
	var in map[string]any
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if m == nil {
		return refuse(http.StatusForbidden, "not_authorized", "Only machine owner can set its minimum bid")
	}
	price, ok := in["price"].(float64)
	if !ok || !(price >= 0 && price <= mostPrice) {
		return refuse(http.StatusUnprocessableEntity, "invalid_args", fmt.Sprintf("price must be from 0 to %d dollars per hour", mostPrice))
	}
	next := t.listing(m)
	next.PriceMinBid = &price
	t.setListing(m, next)
	return reply(map[string]any{"success": true, "you_sent": in})
}

// reportMachine answers PUT /machines/{id}/report, which renters send.
func (t *tx) reportMachine() answer {
	id, ok := t.id()
	var in struct{ Problem, Message string }
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if !ok || t.world.machineWithID(id) == nil {
		return machineNotFound(id)
	}
	h := &t.st.Hosting
	h.Reports = append(h.Reports, report{id, in.Problem, in.Message, t.now})
	h.Reports = h.Reports[max(len(h.Reports)-maxReports, 0):]
	return success()
}

type reportRow struct {
	Problem   string  `json:"problem"`
	Message   string  `json:"message"`
	CreatedAt float64 `json:"created_at"`
}

// listReports answers GET /machines/{id}/reports/, newest first.
func (t *tx) listReports() answer {
	_, m := t.machine()
	rows := []reportRow{}
	for _, r := range slices.Backward(t.st.Hosting.Reports) {
		if m != nil && r.Machine == m.id && len(rows) < reportsShown {
			rows = append(rows, reportRow{r.Problem, r.Message, unix(r.At)})
		}
	}
	return reply(rows)
}

type windowRow struct {
	ID        int64    `json:"id"`
	MachineID int64    `json:"machine_id"`
	StartTime float64  `json:"start_time"`
	Hours     int64    `json:"duration_hours"`
	Category  string   `json:"maintenance_category"`
	Reason    *string  `json:"maintenance_reason"`
	CreatedAt float64  `json:"created_at"`
	Cancelled *float64 `json:"cancelled_at"`
	EndTime   float64  `json:"end_time"`
}

// listMaintenances answers GET /machines/maintenances: what is to come.
func (t *tx) listMaintenances() answer {
	var ids []int64
	if !argument(t.r.URL.Query(), "machine_ids", &ids) || len(ids) == 0 {
		return invalidArgs("machine_ids cannot be empty")
	}
	if !slices.ContainsFunc(ids, func(id int64) bool { return t.world.machineWithID(id) != nil }) {
		names := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ", "), "[]")
		return refuse(http.StatusNotFound, "not_found", fmt.Sprintf("machine_ids (%s) do not exist", names))
	}
	rows := []windowRow{}
	for _, w := range t.st.Hosting.Windows {
		if slices.Contains(ids, w.Machine) && t.now.Before(w.end()) {
			rows = append(rows, windowRow{
				ID: w.ID, MachineID: w.Machine, StartTime: unix(w.Start), Hours: w.Hours, Category: w.Category,
				Reason: w.Reason, CreatedAt: unix(w.Created), EndTime: unix(w.end()),
			})
		}
	}
	return reply(rows)
}

// scheduleMaintenance answers PUT /machines/{id}/dnotify/: whole hours, in
// the year to come.
func (t *tx) scheduleMaintenance() answer {
	id, m := t.machine()
	var in struct {
		Start    *float64 `json:"sdate"`
		Duration *float64 `json:"duration"`
		Category string   `json:"maintenance_category"`
		Reason   *string  `json:"maintenance_reason"`
	}
	if json.Unmarshal(t.body, &in) != nil {
		return badJSON()
	}
	if m == nil {
		return machineNotFound(id)
	}
	start := fromUnix(figure(in.Start))
	if start.Before(t.now) || start.After(t.now.Add(farthestWindow)) || !(figure(in.Duration) > 0 && *in.Duration <= maxWindowHours) {
		return invalidArgs("sdate must be within the next year, and duration a number of hours")
	}
	h := &t.st.Hosting
	h.Made++
	h.Windows = append(h.Windows, window{
		ID: h.Made, Machine: id, Start: start, Hours: max(int64(*in.Duration), 1), Category: in.Category, Reason: in.Reason, Created: t.now,
	})
	return reply(map[string]any{"success": true, "you_sent": string(t.body)})
}

// cancelMaintenance answers PUT /machines/{id}/cancel_maint/.
func (t *tx) cancelMaintenance() answer {
	id, m := t.machine()
	if m == nil {
		return machineNotFound(id)
	}
	h := &t.st.Hosting
	before := len(h.Windows)
	h.Windows = slices.DeleteFunc(h.Windows, func(w window) bool { return w.Machine == id && t.now.Before(w.end()) })
	return reply(map[string]any{
		"success": true, "ctime": unix(t.now), "machine_id": id,
		"msg": fmt.Sprintf("deleted %d scheduled maintenance window(s) on machine %d", before-len(h.Windows), id),
	})
}
