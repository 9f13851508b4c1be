package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// Leases is every lease on the account as an agent sees it.
type Leases struct {
	Leases     []Leased      `json:"leases" jsonschema_description:"the one that ends first stands first"`
	Total      int           `json:"total"`
	PerHour    usd.Amount    `json:"dollars_per_hour" jsonschema_description:"of all of them, as they are now"`
	Most       usd.Amount    `json:"most_dollars" jsonschema_description:"until all have ended; not those that are over and still run, nor traffic"`
	Unleased   int           `json:"instances_without_lease" jsonschema_description:"list_orphans tells of them"`
	OpenOrders []OpenOrder   `json:"open_orders,omitempty" jsonschema_description:"still being settled: a machine may run and cost money for each"`
	Journal    rental.Record `json:"journal,omitempty" jsonschema_description:"none or unreadable: then labels alone tell"`
	LeftOut    string        `json:"left_out,omitempty"`
}

// Leased is an instance with its lease.
type Leased struct {
	InstanceID  vast.InstanceID `json:"instance_id"`
	Label       string          `json:"label,omitempty"`
	State       State           `json:"state"`
	Until       time.Time       `json:"until"`
	MinutesLeft int             `json:"minutes_left" jsonschema_description:"0 or less: it is over"`
	OnExpiry    string          `json:"on_expiry"`
	IdleMinutes int             `json:"stop_when_idle_minutes,omitempty"`
	PerHour     usd.Amount      `json:"dollars_per_hour" jsonschema_description:"now: of the disk when it is stopped"`
	SoFar       usd.Amount      `json:"dollars_so_far" jsonschema_description:"since the instance was made"`
	Estimated   bool            `json:"estimated,omitempty" jsonschema_description:"dollars_so_far is by rate and time, which the API has not charged yet"`
	Most        *usd.Amount     `json:"most_dollars,omitempty" jsonschema_description:"that it still costs until then, traffic apart; missing when it is over and still runs"`
	AfterPerDay usd.Amount      `json:"after_stop_dollars_per_day,omitempty" jsonschema_description:"what its disk costs after that, until it is destroyed"`
	EnforcedBy  []string        `json:"enforced_by" jsonschema_description:"who ends it; empty: nobody that is known here"`
	LabelLost   bool            `json:"label_lost_lease,omitempty" jsonschema_description:"the journal knows it, the label does not say so"`
}

// OfLeases is how an agent sees l, no more than most of them.
func OfLeases(l rental.Leases, most int) Leases {
	v := Leases{Leases: []Leased{}, Total: len(l.All), Unleased: l.Unleased, OpenOrders: OfOrders(l.Open), Journal: l.Record}
	for i, one := range l.All {
		v.PerHour = v.PerHour.Add(one.Rate)
		if one.Most != nil {
			v.Most = v.Most.Add(*one.Most)
		}
		if i < most {
			v.Leases = append(v.Leases, ofLeased(one, l.Now))
		}
	}
	if left := len(l.All) - len(v.Leases); left > 0 {
		v.LeftOut = fmt.Sprintf("%d more, which end later: ask with a higher limit.", left)
	}
	return v
}

func ofLeased(l rental.Leased, now time.Time) Leased {
	text, _, _ := rental.ParseLabel(l.Instance.Label)
	return Leased{
		InstanceID: l.Instance.ID, Label: plain.Line(text, maxLabel), State: read(l.Instance, now).state,
		Until: l.Until, MinutesLeft: minutes(l.Left), OnExpiry: l.OnExpiry, IdleMinutes: l.IdleMinutes,
		PerHour: l.Rate, SoFar: l.Spent.Amount, Estimated: l.Spent.Estimated, Most: l.Most, AfterPerDay: l.AfterPerDay,
		EnforcedBy: append([]string{}, l.EnforcedBy...), LabelLost: l.Lost,
	}
}

// minutes rounds up, so that only what is over has none left.
func minutes(left time.Duration) int {
	if left > 0 {
		left += time.Minute - 1
	}
	return int(left / time.Minute)
}

// Text is the leases as a table with a line on each, for a terminal.
func (v Leases) Text() string {
	t := table{{"instance", "state", "left", "then", "$/h", "so far", "still most"}}
	var notes []note
	for _, l := range v.Leases {
		most := "unknown"
		if l.Most != nil {
			most = dollars(*l.Most)
		}
		t = append(t, []string{
			fmt.Sprint(l.InstanceID), string(l.State), l.left(), l.OnExpiry, fmt.Sprintf("%.4f", l.PerHour.Float()), spentText(l.SoFar, l.Estimated), most,
		})
		notes = append(notes, note{says: l.says(v.together())})
	}
	text := ""
	if v.Total > 0 {
		text = t.annotated(notes) + wrapped(v.sum())
	} else {
		text = "No instance has a lease.\n"
	}
	if v.Unleased > 0 {
		text += wrapped(fmt.Sprintf("Without a lease: %d. list_orphans tells of them.", v.Unleased))
	}
	return text + wrapped(v.LeftOut) + onRecord(v.Journal) + ordersText(v.OpenOrders)
}

// sum is what all come to, and how far to trust it.
func (v Leases) sum() string {
	text := fmt.Sprintf("Together they cost %s/h now and at most %s until they end, traffic not included.", v.PerHour, dollars(v.Most))
	if slices.ContainsFunc(v.Leases, func(l Leased) bool { return l.Most == nil }) {
		text += " What is over and still runs is not in that."
	}
	if slices.ContainsFunc(v.Leases, func(l Leased) bool { return l.Estimated }) {
		text += estimatedNote
	}
	if v.together() {
		text += " They are " + v.Leases[0].enforcement() + "."
	}
	return text
}

// together reports whether the same ends all of them, so that saying so once
// is enough.
func (v Leases) together() bool {
	return !slices.ContainsFunc(v.Leases, func(l Leased) bool { return !slices.Equal(l.EnforcedBy, v.Leases[0].EnforcedBy) })
}

// left is the time to the end, short.
func (l Leased) left() string {
	switch hours := l.MinutesLeft / 60; {
	case l.MinutesLeft <= 0:
		return "over"
	case hours == 0:
		return fmt.Sprintf("%dm", l.MinutesLeft)
	case hours < 48:
		return fmt.Sprintf("%dh%02dm", hours, l.MinutesLeft%60)
	default:
		return fmt.Sprintf("%dd%02dh", hours/24, hours%24)
	}
}

// says is what does not fit into the row. Who ends the lease is left out where
// it is said of all together.
func (l Leased) says(together bool) string {
	says := []string{short(l.Label), "until " + stamp(l.Until)}
	if l.IdleMinutes > 0 {
		says = append(says, fmt.Sprintf("stopped after %d idle minutes", l.IdleMinutes))
	}
	disk := "then its disk"
	switch {
	case l.Most == nil:
		says = append(says, "it is over and still runs: stop_instance")
	case l.MinutesLeft <= 0:
		disk = "over; its disk"
	}
	if l.AfterPerDay > 0 {
		says = append(says, fmt.Sprintf("%s costs %s a day", disk, dollars(l.AfterPerDay)))
	}
	if l.LabelLost {
		says = append(says, "its label lost the lease")
	}
	if !together {
		says = append(says, l.enforcement())
	}
	return strings.Join(says, "; ")
}

// enforcement says who ends the lease.
func (l Leased) enforcement() string {
	said := map[string]string{guard.ByServer: "this server while it runs", guard.ByReaper: "vast-mcp reap", guard.ByBackstop: "the instance itself if its image can"}
	var by []string
	for _, name := range l.EnforcedBy {
		by = append(by, cmp.Or(said[name], name))
	}
	if len(by) == 0 {
		return "ended by a vast-mcp server while one runs"
	}
	return "ended by " + strings.Join(by, ", by ")
}
