package view

import (
	"fmt"
	"slices"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/rental"
)

// Orphans is what no lease of this journal ends, as an agent sees it.
type Orphans struct {
	Orphans    []Orphan      `json:"orphans" jsonschema_description:"the oldest stands first"`
	Total      int           `json:"total"`
	PerHour    usd.Amount    `json:"dollars_per_hour" jsonschema_description:"of all of them"`
	OpenOrders []OpenOrder   `json:"open_orders,omitempty" jsonschema_description:"still being settled: a machine may run and cost money for each"`
	Journal    rental.Record `json:"journal,omitempty" jsonschema_description:"none or unreadable: then labels alone tell"`
	NoVolumes  bool          `json:"volumes_unreadable,omitempty"`
	LeftOut    string        `json:"left_out,omitempty"`

	proven bool // nothing is left
}

// Orphan is an instance or a volume that goes on costing money.
type Orphan struct {
	Kind      string     `json:"kind" jsonschema:"enum=instance,enum=volume"`
	ID        int64      `json:"id"`
	Name      string     `json:"name,omitempty" jsonschema_description:"its label"`
	State     string     `json:"state"`
	Why       string     `json:"why"`
	Since     time.Time  `json:"since,omitzero"`
	PerHour   usd.Amount `json:"dollars_per_hour" jsonschema_description:"now: of the disk when it is stopped"`
	SoFar     usd.Amount `json:"dollars_since_start"`
	Estimated bool       `json:"estimated,omitempty" jsonschema_description:"dollars_since_start is by rate and time, which the API has not charged yet"`
	Next      string     `json:"next" jsonschema_description:"what ends that"`
}

// Call writes down how a tool is called with these arguments, in JSON.
type Call func(tool, args string) string

// ByAgent is how an agent calls a tool.
func ByAgent(tool, args string) string { return tool + " " + args }

// OfOrphans is how an agent sees o, no more than most of them. call says how
// its reader calls a tool.
func OfOrphans(o rental.Orphans, most int, call Call) Orphans {
	v := Orphans{Orphans: []Orphan{}, OpenOrders: OfOrders(o.Open), Journal: o.Record, NoVolumes: o.NoVolumes, proven: o.Proven()}
	for _, one := range o.Instances {
		v.Orphans = append(v.Orphans, ofOrphan(one, o.Now, call))
	}
	for _, one := range o.Volumes {
		v.Orphans = append(v.Orphans, ofVolume(one))
	}
	for _, one := range v.Orphans {
		v.PerHour = v.PerHour.Add(one.PerHour)
	}
	slices.SortStableFunc(v.Orphans, func(a, b Orphan) int { return a.Since.Compare(b.Since) })
	v.Total = len(v.Orphans)
	if left := v.Total - most; left > 0 {
		v.Orphans = v.Orphans[:most]
		v.LeftOut = fmt.Sprintf("%d more, which are younger: ask with a higher limit.", left)
	}
	return v
}

func ofOrphan(o rental.Orphan, now time.Time, call Call) Orphan {
	text, _, _ := rental.ParseLabel(o.Instance.Label)
	v := Orphan{
		Kind: "instance", ID: int64(o.Instance.ID), Name: plain.Line(text, maxLabel), State: string(read(o.Instance, now).state),
		Why: plain.Line(o.Why, maxMessage), Since: o.Began(), PerHour: o.Rate, SoFar: o.Spent.Amount, Estimated: o.Spent.Estimated,
	}
	switch {
	case o.Removing:
		v.Next = "look again in half a minute"
	case rental.Running(o.Instance):
		v.Next = call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, v.ID))
	default:
		v.Next = call("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, v.ID))
	}
	return v
}

func ofVolume(o rental.OrphanVolume) Orphan {
	v := Orphan{
		Kind: "volume", ID: int64(o.Volume.ID), Name: plain.Line(o.Volume.Name, maxLabel), State: plain.Line(o.Volume.Status, 12),
		Why:   fmt.Sprintf("a volume has no lease: its %g GB cost money until it is deleted", o.Volume.DiskGB),
		Since: o.Began(), PerHour: o.Rate, SoFar: o.Spent.Amount, Estimated: o.Spent.Estimated,
		Next: fmt.Sprintf("vastai delete volume %d", o.Volume.ID),
	}
	if v.State == "attached" {
		v.Why, v.Next = v.Why+", also when the instance that uses it is gone", v.Next+" # after destroying the instance that uses it"
	}
	return v
}

// Text is the orphans as a table with lines on each, for a terminal. What is to
// be copied is never broken.
func (v Orphans) Text() string {
	t := table{{"kind", "id", "state", "since", "$/h", "since start"}}
	var notes []note
	for _, o := range v.Orphans {
		since := "unknown"
		if !o.Since.IsZero() {
			since = stamp(o.Since)
		}
		t = append(t, []string{o.Kind, fmt.Sprint(o.ID), o.State, since, fmt.Sprintf("%.4f", o.PerHour.Float()), spentText(o.SoFar, o.Estimated)})
		notes = append(notes, note{says: short(o.Name) + ": " + o.Why, copy: o.Next})
	}
	if v.Total == 0 {
		return v.nothing() + onRecord(v.Journal) + ordersText(v.OpenOrders)
	}
	sum := fmt.Sprintf("Together they cost %s/h.", v.PerHour)
	if slices.ContainsFunc(v.Orphans, func(o Orphan) bool { return o.Estimated }) {
		sum += estimatedNote
	}
	return t.annotated(notes) + wrapped(sum) + wrapped(v.LeftOut) + v.volumesText() + onRecord(v.Journal) + ordersText(v.OpenOrders)
}

// nothing says so, as far as it is certain.
func (v Orphans) nothing() string {
	if v.proven {
		return wrapped("Nothing is left: every machine on this account has a lease that this journal knows, and there are no volumes.")
	}
	return wrapped("Every machine that is listed has a lease that is not over.") + v.volumesText()
}

// Left reports whether something is left, or may be.
func (v Orphans) Left() bool {
	return v.Total > 0 || len(v.OpenOrders) > 0 || v.NoVolumes || v.Journal == rental.RecordBroken
}

// volumesText says when nobody knows what volumes there are.
func (v Orphans) volumesText() string {
	if v.NoVolumes {
		return wrapped("Whether there are volumes could not be read.")
	}
	return ""
}
