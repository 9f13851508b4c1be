package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
)

// Effect says what kind of harm a plan could do.
type Effect string

// The effects that need leave.
const (
	Spend   Effect = "spend"   // costs money from now on
	Destroy Effect = "destroy" // stops or deletes something
	Access  Effect = "access"  // lets someone in
)

// Kind tells a plan that must be settled if its answer is lost from one that
// can simply be repeated.
const (
	KindCreate = "create"
	KindStart  = "start"
	KindExtend = "extend"
	KindAct    = "act"
)

// Rents reports whether the intent rented or started a machine, or may have: it
// costs money, and is settled if its answer is lost.
func Rents(in journal.Intent) bool { return in.Kind == KindCreate || in.Kind == KindStart }

// Fact is one line of what a person is shown before saying yes.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Plan is what would be done. It holds no secret, for it is journaled and shown.
type Plan struct {
	Effect  Effect `json:"effect"`
	Kind    string `json:"kind"`
	Summary string `json:"summary"` // one line, for example "rent 1x RTX 4090 (offer 41) for 24 h"
	Facts   []Fact `json:"facts,omitempty"`
	Binding string `json:"binding,omitempty"` // what the arguments resolve to, beyond themselves; another binding is another quote
	Free    bool   `json:"free,omitempty"`    // needs no asking: it only ends something of ours
	Lasting bool   `json:"lasting,omitempty"` // once done it stays done, so the same call later has the same answer

	Rate          usd.Amount    `json:"rate"` // dollars per hour while it runs
	Upfront       usd.Amount    `json:"upfront,omitempty"`
	Lease         time.Duration `json:"lease,omitempty"`         // that is paid for; of an extension from the old end to the new one
	Ahead         time.Duration `json:"ahead,omitempty"`         // of an extension: from now to the new end
	Before        usd.Amount    `json:"before,omitempty"`        // of an extension: what the rental can cost without it
	IdleMinutes   int           `json:"idle_minutes,omitempty"`  // it is stopped when its GPUs idle for so long; zero: never
	DiskRate      usd.Amount    `json:"disk_rate,omitempty"`     // dollars per hour that a stopped disk goes on costing
	UploadPerGB   float64       `json:"upload_per_gb,omitempty"` // dollars; traffic is never part of a sum
	DownloadPerGB float64       `json:"download_per_gb,omitempty"`
	Warnings      []string      `json:"warnings,omitempty"`
	EnforcedBy    []string      `json:"enforced_by,omitempty"` // who ends the lease; empty: nobody

	// What the owner's lists are judged by, and what an end is about.
	GPUs    int      `json:"gpus,omitempty"`
	Image   string   `json:"image,omitempty"`   // the template's, if it comes from one
	Place   string   `json:"place,omitempty"`   // geolocation as the API has it: "Oregon, US"
	Targets []Target `json:"targets,omitempty"` // instances that would be stopped or destroyed

	// What the intent will say. These are new each time it is planned and are
	// not part of what was approved.
	Nonce    string    `json:"nonce,omitempty"`
	Label    string    `json:"label,omitempty"`
	Offer    int64     `json:"offer,omitempty"`
	Machine  int64     `json:"machine,omitempty"`
	Instance int64     `json:"instance,omitempty"`
	Rental   string    `json:"rental,omitempty"` // of an extension: the nonce of what goes on
	Until    time.Time `json:"until,omitzero"`
	OnExpiry string    `json:"on_expiry,omitempty"`
	Memo     string    `json:"memo,omitempty"`     // the planner's own note of what it found
	Backstop bool      `json:"backstop,omitempty"` // the order carries what ends the lease from inside the instance
}

// Most is the most the plan can cost by the end of its lease, traffic apart.
func (p Plan) Most() usd.Amount {
	return p.Upfront.Add(p.Rate.For(p.Lease))
}

// AfterStopPerDay is what the disk goes on costing a day once it is stopped.
func (p Plan) AfterStopPerDay() usd.Amount { return p.DiskRate.For(24 * time.Hour) }

// Target is an instance that a plan would end.
type Target struct {
	Instance int64 `json:"instance"`
	Ours     bool  `json:"ours"` // it carries a lease of this program and, as far as the journal knows, is the caller's own
}

// foreign reports whether the plan would end what is not the caller's own.
func (p Plan) foreign() bool {
	return slices.ContainsFunc(p.Targets, func(t Target) bool { return !t.Ours })
}

// disown returns p with a warning for each target that is not the caller's own:
// one without a lease of this program, or one that others rented through it.
// Such a plan is never free.
func (p Plan) disown(others func(instance int64) bool) Plan {
	p.Targets, p.Warnings = slices.Clone(p.Targets), slices.Clone(p.Warnings)
	for i, t := range p.Targets {
		switch {
		case !t.Ours:
			p.Warnings = append(p.Warnings, fmt.Sprintf("instance %d was not rented by this program", t.Instance))
		case others(t.Instance):
			p.Warnings = append(p.Warnings, fmt.Sprintf("instance %d was rented by another caller", t.Instance))
			p.Targets[i].Ours = false
		}
	}
	p.Free = p.Free && !p.foreign()
	return p
}

// judged reports whether the owner's limits are about the plan: ending
// something, letting somebody in and what is free cost nothing.
func (p Plan) judged() bool { return p.Effect != Destroy && p.Effect != Access && !p.Free }

// ahead is how long from now on it costs its rate.
func (p Plan) ahead() time.Duration { return cmp.Or(p.Ahead, p.Lease) }

// asQuoted is p, an extension, with the end that the quote q was given for: the
// yes was to that moment, whenever it is carried out.
func (p Plan) asQuoted(q Plan) Plan {
	if p.Kind == KindExtend {
		p.Until, p.Lease, p.Ahead, p.Summary, p.Facts = q.Until, q.Lease, q.Ahead, q.Summary, q.Facts
	}
	return p
}

// Who ends leases.
const (
	ByServer   = "server"   // as long as it runs
	ByReaper   = "reaper"   // vast-mcp reap, of which the journal has a fresh sign
	ByBackstop = "backstop" // a script inside the instance, if its image has what that needs
)

// Enforcement says who ends the lease, and what that is worth.
func (p Plan) Enforcement() string {
	if len(p.EnforcedBy) == 0 {
		return "by nobody: no program ends this lease, so stop or destroy it yourself"
	}
	var by []string
	for _, name := range p.EnforcedBy {
		by = append(by, cmp.Or(map[string]string{
			ByServer:   "this server, only while it runs",
			ByReaper:   "vast-mcp reap, which was at work a moment ago",
			ByBackstop: "the instance itself (if its image has curl, GNU wget or python3)",
		}[name], name))
	}
	return "by " + strings.Join(by, "; by ")
}

// Shown is everything a person should know before saying yes, one fact a line.
func (p Plan) Shown() []Fact {
	all := append([]Fact{}, p.Facts...)
	if p.Effect == Spend && !p.Free && p.Rate > 0 {
		all = append(all, Fact{"price", fmt.Sprintf("%s/h, at most %s in %s, traffic not included", price(p.Rate), price(p.Most()), hours(p.Lease))})
		if p.DiskRate > 0 {
			all = append(all, Fact{"stopped", fmt.Sprintf("the disk goes on costing %s a day until it is destroyed", p.AfterStopPerDay())})
		}
		all = append(all, Fact{"enforced", p.Enforcement()})
	}
	for _, w := range p.Warnings {
		all = append(all, Fact{"warning", w})
	}
	return all
}

// longestFact bounds a line of what a person is shown.
const longestFact = 400

// Text is Shown with the summary above it. No value can pass for a line of its
// own, or hide one.
func (p Plan) Text() string {
	var b strings.Builder
	b.WriteString(plain.Line(p.Summary, longestFact) + "\n")
	for _, f := range p.Shown() {
		fmt.Fprintf(&b, "  %-10s %s\n", plain.Line(f.Name, longestFact), plain.Line(f.Value, longestFact))
	}
	return b.String()
}

// covers reports whether a yes to p is also a yes to q: the same thing, not
// dearer.
func (p Plan) covers(q Plan) bool {
	return p.Effect == q.Effect && p.Kind == q.Kind && p.Binding == q.Binding && (p.Lease == q.Lease || p.Kind == KindExtend) && p.IdleMinutes == q.IdleMinutes &&
		p.Free == q.Free && (p.foreign() || !q.foreign()) && p.Lasting == q.Lasting && q.Rate <= p.Rate && q.Upfront <= p.Upfront && q.DiskRate <= p.DiskRate && q.UploadPerGB <= p.UploadPerGB && q.DownloadPerGB <= p.DownloadPerGB
}
