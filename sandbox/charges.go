package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	chargePage = 100
	day        = 24 * time.Hour
)

// chargeRow is a line of the bill: a day of an instance or a volume, or an
// item of it.
type chargeRow struct {
	Start       int64       `json:"start"`
	End         int64       `json:"end"`
	Type        string      `json:"type"`
	Source      *string     `json:"source"`
	Description string      `json:"description"`
	Amount      float64     `json:"amount"`
	Metadata    any         `json:"metadata"`
	Items       []chargeRow `json:"items"`
	of          int64       // instance or volume
}

// chargeQuery is a request for charges, understood.
type chargeQuery struct {
	from, to    time.Time
	types       []string // empty: all
	latestFirst bool
	limit       int
	after       *chargeToken
}

// chargeToken is the row that a page ended with.
type chargeToken struct {
	Day int64 `json:"day"`
	ID  int64 `json:"id"`
}

func parseCharges(q url.Values) (chargeQuery, answer, bool) {
	c := chargeQuery{latestFirst: q.Get("latest_first") == "true", limit: chargePage}
	refused := func(a answer) (chargeQuery, answer, bool) { return c, a, false }
	var where struct {
		Day struct {
			GTE *float64 `json:"gte"`
			LTE *float64 `json:"lte"`
		}
		Type struct{ In []string }
	}
	if !argument(q, "select_filters", &where) {
		return refused(refuse(http.StatusBadRequest, "invalid_request", inQuery+"select_filters is not JSON of the right shape"))
	}
	if where.Day.GTE == nil || where.Day.LTE == nil {
		return refused(refuse(http.StatusBadRequest, "", "Must provide both 'day' gte and lte filters for instance charges"))
	}
	for _, kind := range where.Type.In {
		if !slices.Contains([]string{"instance", "volume", "serverless"}, kind) {
			return refused(refuse(http.StatusBadRequest, "invalid_request", "type contains invalid value(s)"))
		}
	}
	c.types = where.Type.In
	c.from, c.to = fromUnix(*where.Day.GTE), fromUnix(*where.Day.LTE)
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		c.limit = min(n, chargePage)
	}
	if token := q.Get("after_token"); token != "" {
		var in struct{ Values chargeToken }
		raw, err := base64.StdEncoding.DecodeString(token)
		if err != nil || json.Unmarshal(raw, &in) != nil || in.Values.ID == 0 {
			return refused(refuse(http.StatusBadRequest, "invalid_token", badToken.Error()))
		}
		c.after = &in.Values
	}
	return c, answer{}, true
}

// upTo is the end of a range of time as its client means it: one who says "until
// now" by his own clock means the market's now, which may be far ahead.
func (t *tx) upTo(end float64) float64 {
	const day = 24 * 60 * 60
	if ahead := end - unix(t.m.wallNow()); ahead >= -60 && ahead <= day {
		return max(end, unix(t.now))
	}
	return end
}

// fromUnix keeps what clients send within what days can be counted in.
func fromUnix(seconds float64) time.Time {
	return time.Unix(int64(min(max(seconds, 0), 7e9)), 0).UTC()
}

// charges answers GET /charges/: a row for each day of each instance, made
// from the meters, growing until the instance is destroyed, and likewise for
// volumes.
func (t *tx) charges() answer {
	q, refusal, ok := parseCharges(t.r.URL.Query())
	if !ok {
		return refusal
	}
	q.to = fromUnix(t.upTo(unix(q.to)))
	rows := slices.DeleteFunc(t.chargeRows(q.from, q.to), func(r chargeRow) bool { return len(q.types) > 0 && !slices.Contains(q.types, r.Type) })
	total := len(rows)
	if q.latestFirst {
		slices.Reverse(rows)
	}
	if q.after != nil {
		rows = slices.DeleteFunc(rows, func(r chargeRow) bool { return !q.behind(r) })
	}
	var next *string
	if len(rows) > q.limit {
		rows = rows[:q.limit]
		last := rows[q.limit-1]
		next = new(base64.StdEncoding.EncodeToString(encode(map[string]any{"values": chargeToken{last.Start, last.of}})))
	}
	return reply(struct {
		Success   bool        `json:"success"`
		Count     int         `json:"count"`
		Total     int         `json:"total"`
		NextToken *string     `json:"next_token"`
		Results   []chargeRow `json:"results"`
	}{true, len(rows), total, next, rows})
}

// behind tells whether a row comes after the page before, whose last row may
// be gone by now.
func (q chargeQuery) behind(r chargeRow) bool {
	order := cmp.Or(cmp.Compare(r.Start, q.after.Day), cmp.Compare(r.of, q.after.ID))
	if q.latestFirst {
		order = -order
	}
	return order > 0
}

// dayOf is a day of an instance or a volume.
type dayOf struct{ day, id int64 }

// usage is what the meters of one kind ran up in a day.
type usage struct {
	amount int64 // micro-dollars
	ran    time.Duration
	rate   int64
}

// chargeRows are the days that touch the given time, oldest first.
func (t *tx) chargeRows(from, to time.Time) []chargeRow {
	used := map[dayOf]map[string]usage{}
	for m := range t.st.meters() {
		for start := latest(m.Start, from).Truncate(day); !start.After(to) && m.between(start, t.now) > 0; start = start.Add(day) {
			until := start.Add(day)
			if t.now.Before(until) {
				until = t.now
			}
			key := dayOf{start.Unix(), m.Instance}
			if used[key] == nil {
				used[key] = map[string]usage{}
			}
			u := used[key][m.Kind]
			used[key][m.Kind] = usage{u.amount + m.amount(until) - m.amount(start), u.ran + m.between(start, until), m.Rate}
		}
	}
	byAge := func(a, b dayOf) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.id, b.id)) }
	rows := []chargeRow{}
	for _, key := range slices.SortedFunc(maps.Keys(used), byAge) {
		rows = append(rows, t.chargeRow(key, used[key]))
	}
	return rows
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// chargeRow is one day of one instance or volume; its amount is the sum of its
// rounded items.
func (t *tx) chargeRow(key dayOf, used map[string]usage) chargeRow {
	p := t.st.billed(key.id)
	row := chargeRow{Start: key.day, End: key.day + int64(day/time.Second), Type: "instance", of: key.id}
	item := func(kind, format string, args ...any) {
		amount := round(dollars(used[kind].amount), 3)
		row.Amount = round(row.Amount+amount, 3)
		row.Items = append(row.Items, chargeRow{
			Start: row.Start, End: row.End, Type: itemTypes[kind], Description: fmt.Sprintf(format, args...),
			Amount: amount, Metadata: struct{}{}, Items: []chargeRow{},
		})
	}
	traffic := func(kind string, gbPerHour float64) {
		item(kind, "%.3f GB at $%.3f/GB", used[kind].ran.Hours()*gbPerHour, float64(used[kind].rate)/1e9/gbPerHour)
	}
	if space, isVolume := used[volumeMeter]; isVolume {
		row.Type, row.Metadata = "volume", map[string]any{"label": p.Label}
		item(volumeMeter, "%.3f GB for %.3f hours", p.Disk, space.ran.Hours())
	} else {
		row.Metadata = map[string]any{"label": p.Label, "template_id": p.TemplateID}
		item(gpuMeter, "%.3f hours at $%.3f/hour", used[gpuMeter].ran.Hours(), float64(used[gpuMeter].rate)/1e9)
		item(diskMeter, "%.3f GB for %.3f hours", p.Disk, used[diskMeter].ran.Hours())
		traffic(downloadMeter, downloadGBPerHour)
		traffic(uploadMeter, uploadGBPerHour)
	}
	row.Source = new(fmt.Sprintf("%s-%d", row.Type, key.id))
	row.Description = fmt.Sprintf("%s %d Charges - 1 day", strings.ToUpper(row.Type[:1])+row.Type[1:], key.id)
	return row
}

// itemTypes are the bill's words for what is metered.
var itemTypes = map[string]string{gpuMeter: "gpu", diskMeter: "disk", downloadMeter: "bwd", uploadMeter: "bwu", volumeMeter: "disk"}

// billed is what a bill says of an instance or a volume, also when it is gone.
func (st *state) billed(id int64) past {
	if c := st.contract(id); c != nil {
		return c.past()
	}
	if v := st.volume(id); v != nil {
		return v.past()
	}
	for _, p := range st.Past {
		if p.ID == id {
			return p
		}
	}
	return past{ID: id}
}
