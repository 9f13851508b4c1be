package rental

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/region"
	"vast-mcp/internal/usd"
	"vast-mcp/vast"
)

// PlanCreate prices a rental by a fresh look at the offer. What cannot be
// rented fails here, before anybody is asked.
func (d *Desk) PlanCreate(ctx context.Context, r Request) (guard.Plan, error) {
	if err := r.check(); err != nil {
		return guard.Plan{}, err
	}
	pricing := vast.OnDemand
	if r.BidPerHour > 0 {
		pricing = vast.Interruptible
	}
	user, err := d.account(ctx)
	if err != nil {
		return guard.Plan{}, err
	}
	var template vast.Template
	if r.TemplateHash != "" {
		if template, err = d.calm.Templates.Get(ctx, r.TemplateHash); err != nil {
			return guard.Plan{}, err
		}
	}
	offer, err := d.calm.Offers.Get(ctx, r.Offer, r.DiskGB, pricing)
	if err != nil {
		return guard.Plan{}, err
	}
	if err := r.fits(offer); err != nil {
		return guard.Plan{}, err
	}
	p := d.planCreate(r, offer, user)
	p.EnforcedBy = d.enforcers(ctx)
	if r.TemplateHash != "" {
		p.Binding += ", template " + template.Hash
		p.Image = cmp.Or(r.Image, template.Image)
		p.Facts = append(p.Facts, guard.Fact{Name: "template", Value: fmt.Sprintf("%q", plain.Line(template.Name, 80))})
	}
	d.fitBackstop(&p, r, template)
	return p, d.outlive(&p)
}

// fits checks the request against the offer.
func (r Request) fits(o vast.Offer) error {
	switch {
	case r.DiskGB > o.DiskSpaceGB:
		return &BadRequest{"disk_gb", fmt.Sprintf("%g GB asked and the offer has %.0f GB free", r.DiskGB, o.DiskSpaceGB), "ask for less, or search with disk_gb set"}
	case r.BidPerHour > 0 && r.BidPerHour < o.MinBid:
		return &BadRequest{"bid_dollars_per_hour", fmt.Sprintf("%g is below the %g that wins now", r.BidPerHour, o.MinBid), "bid more, or choose another offer"}
	case len(r.Ports) > 0 && o.DirectPorts < len(r.Ports):
		return &BadRequest{"ports", fmt.Sprintf("%d asked and the offer has %d", len(r.Ports), o.DirectPorts), "choose an offer with more direct_ports"}
	}
	return nil
}

func (d *Desk) planCreate(r Request, o vast.Offer, u vast.User) guard.Plan {
	now := d.apiNow()
	lease := d.leaseOf(r.LeaseHours)
	disk := usd.Ceil(o.DiskPerGBMonth * r.DiskGB / hoursPerMonth)
	rate := readable(o.PerHour)
	kind := "on demand"
	if r.BidPerHour > 0 {
		rate, kind = usd.Ceil(r.BidPerHour).Add(disk), "interruptible"
	}
	text := r.Label
	if text == "" {
		text = ownerName(u)
	}
	tail := Tail{Nonce: NewNonce(now), Until: now.Add(lease).Truncate(time.Second), OnExpiry: r.OnExpiry, IdleMinutes: r.IdleMinutes}
	p := guard.Plan{
		Kind:    guard.KindCreate,
		Summary: fmt.Sprintf("Rent %dx %s in %s, %s, for %g h", o.NumGPUs, plain.Line(o.GPUName, 40), region.Place(o.Geolocation, "an unknown place"), kind, lease.Hours()),
		Rate:    rate, Lease: lease, DiskRate: disk, GPUs: o.NumGPUs, Place: o.Geolocation, Image: r.Image,
		UploadPerGB: micro(o.UploadPerGB), DownloadPerGB: micro(o.DownloadPerGB),
		Nonce: tail.Nonce, Label: FormatLabel(text, tail, maxLabel), Offer: int64(o.ID), Machine: int64(o.MachineID), Until: tail.Until, OnExpiry: tail.OnExpiry, IdleMinutes: tail.IdleMinutes,
		Binding: fmt.Sprintf("machine %d, %dx %s, %s, %s", o.MachineID, o.NumGPUs, o.GPUName, o.Geolocation, kind),
		Memo:    r.wireRunType(o),
	}
	p.Facts = []guard.Fact{
		{Name: "offer", Value: fmt.Sprintf("%d (machine %d)", o.ID, o.MachineID)},
		{Name: "image", Value: cmp.Or(plain.Line(r.Image, 120), "the template's")},
		{Name: "disk", Value: fmt.Sprintf("%g GB", r.DiskGB)},
		{Name: "label", Value: fmt.Sprintf("%q", cleanText(text))},
	}
	p.Facts = append(p.Facts, r.runs()...)
	p.Facts = append(p.Facts, guard.Fact{Name: "traffic", Value: fmt.Sprintf("$%.4f/GB up, $%.4f/GB down", o.UploadPerGB, o.DownloadPerGB)})
	p.Facts = append(p.Facts, leaseFacts(lease, tail)...)
	p.Warnings = createWarnings(p, o, u)
	return p
}

// micro rounds a price per GB, which is shown and never summed.
func micro(dollars float64) float64 { return math.Round(dollars*1e6) / 1e6 }

const hoursPerMonth = 720 // the month that storage is priced by

// readable is a price as the caps judge it: no offer is free, so nothing is a
// price that could not be read, and counts as more than any limit.
func readable(dollars float64) usd.Amount {
	if dollars <= 0 {
		return usd.Max
	}
	return usd.Ceil(dollars)
}

// leaseFacts say when the rental is meant to end, and how.
func leaseFacts(lease time.Duration, t Tail) []guard.Fact {
	all := []guard.Fact{{Name: "lease", Value: fmt.Sprintf("%g h, until %s, then %s", lease.Hours(), t.Until.Format(time.RFC3339), t.OnExpiry)}}
	if t.IdleMinutes > 0 {
		all = append(all, guard.Fact{Name: "idle", Value: fmt.Sprintf("stopped when its GPUs idle for %d min", t.IdleMinutes)})
	}
	return all
}

// runs says what will run there. Values of variables, and scripts, may hold
// secrets and stay out: a plan is journaled.
func (r Request) runs() []guard.Fact {
	var all []guard.Fact
	add := func(name, value string) {
		if value != "" {
			all = append(all, guard.Fact{Name: name, Value: value})
		}
	}
	if r.OnStart != "" {
		add("onstart", fmt.Sprintf("a script of %d bytes, which is not kept here: ask the agent for its text", len(r.OnStart)))
	}
	add("env", plain.Line(strings.Join(slices.Sorted(maps.Keys(r.Env)), ", "), 200))
	add("ports", plain.Line(strings.Join(r.Ports, ", "), 200))
	add("run type", r.RunType)
	if r.ImageLogin != "" {
		add("registry", "logs in with the credentials given")
	}
	return all
}

func createWarnings(p guard.Plan, o vast.Offer, u vast.User) []string {
	var all []string
	if o.Seconds > 0 && o.Seconds < p.Lease.Seconds() {
		all = append(all, fmt.Sprintf("the host's offer ends in %.1f h, before the lease does", o.Seconds/3600))
	}
	if most := p.Most(); u.ID != 0 && usd.Ceil(max(0, u.Credit)) < most {
		all = append(all, fmt.Sprintf("the account's credit of %s is less than the %s that this can cost", usd.Ceil(max(0, u.Credit)), most))
	}
	all = append(all, autobillWarnings(u)...)
	if o.Verification != "" && o.Verification != "verified" {
		all = append(all, "the machine is "+plain.Line(o.Verification, 20))
	}
	return all
}

// longestLease is more than any owner allows, and well within a Duration.
const longestLease = 10_000 * time.Hour

func (d *Desk) leaseOf(asked float64) time.Duration {
	switch {
	case asked <= 0:
		return d.policy.DefaultLease
	case asked >= longestLease.Hours():
		return longestLease
	}
	return time.Duration(asked * float64(time.Hour))
}
