package tools

import (
	"context"
	"fmt"
	"strings"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// createInput is what create_instance takes.
type createInput struct {
	OfferID      vast.OfferID      `json:"offer_id" jsonschema:"minimum=1" jsonschema_description:"from search_offers"`
	Image        string            `json:"image,omitempty" jsonschema_description:"repository:tag; or template_hash"`
	TemplateHash string            `json:"template_hash,omitempty" jsonschema_description:"instead of image"`
	DiskGB       float64           `json:"disk_gb" jsonschema:"default=32,minimum=8" jsonschema_description:"fixed for life"`
	Env          map[string]string `json:"env,omitempty" jsonschema_description:"variables"`
	Ports        []string          `json:"ports,omitempty" jsonschema_description:"8080, 53/udp or 8080:8080"`
	OnStart      string            `json:"onstart,omitempty" jsonschema_description:"shell script, run at each start"`
	RunType      string            `json:"run_type,omitempty" jsonschema:"enum=ssh,enum=jupyter,enum=args" jsonschema_description:"args runs the image's entrypoint; default ssh"`
	ImageLogin   string            `json:"image_login,omitempty" jsonschema_description:"-u USER -p PASS registry"`
	Label        string            `json:"label,omitempty" jsonschema_description:"at most 180 bytes"`
	BidPerHour   float64           `json:"bid_dollars_per_hour,omitempty" jsonschema:"minimum=0" jsonschema_description:"rents interruptible at this price"`
	LeaseHours   float64           `json:"lease_hours,omitempty" jsonschema:"minimum=0.1" jsonschema_description:"how long it may live; has a default"`
	OnExpiry     string            `json:"on_expiry" jsonschema:"default=stop,enum=stop,enum=destroy" jsonschema_description:"when the lease ends"`
	StopWhenIdle int               `json:"stop_when_idle_minutes,omitempty" jsonschema:"minimum=1,maximum=9999" jsonschema_description:"stop it when its GPUs idle so long"`
}

func (in createInput) request() rental.Request {
	return rental.Request{
		Offer: in.OfferID, Image: in.Image, TemplateHash: in.TemplateHash, DiskGB: in.DiskGB, Env: in.Env, Ports: in.Ports,
		OnStart: in.OnStart, RunType: in.RunType, ImageLogin: in.ImageLogin, Label: in.Label,
		BidPerHour: in.BidPerHour, LeaseHours: in.LeaseHours, OnExpiry: in.OnExpiry, IdleMinutes: in.StopWhenIdle,
	}
}

// rentalOutput is what create_instance and start_instance answer.
type rentalOutput struct {
	tool.Decision
	InstanceID vast.InstanceID `json:"instance_id,omitempty"`
	Instance   *view.Instance  `json:"instance,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`

	done     string
	enforced string // by whom its lease is
}

// Text tells what was rented, or that nobody knows yet.
func (o rentalOutput) Text() string {
	if o.Status == tool.Unknown {
		return "OUTCOME UNKNOWN, being settled: " + o.Message + ".\nDo not rent another. Call again with the same arguments, or look at list_instances, in half a minute.\n"
	}
	again := ""
	if o.Replayed {
		again = " (by an earlier, identical call; nothing was done twice)"
	}
	notes := ""
	if len(o.Warnings) > 0 {
		notes = "Note: " + strings.Join(o.Warnings, ".\nNote: ") + ".\n"
	}
	return fmt.Sprintf("%s%s.\n%sThe lease is ended %s.\n%s", o.done, again, o.Instance.Text(), o.enforced, notes)
}

func (i *instances) planCreate(ctx context.Context, _ tool.Call, in createInput) (guard.Plan, error) {
	return i.desk.PlanCreate(ctx, in.request())
}

func (i *instances) create(ctx context.Context, _ tool.Call, g *guard.Grant, in createInput) (rentalOutput, error) {
	res, err := i.desk.Create(ctx, g, in.request())
	return i.rented(g, res, err, "Rented")
}

// startInput is what start_instance takes.
type startInput struct {
	InstanceID   vast.InstanceID `json:"instance_id" jsonschema:"minimum=1" jsonschema_description:"id"`
	LeaseHours   float64         `json:"lease_hours,omitempty" jsonschema:"minimum=0.1" jsonschema_description:"how long it may run; has a default"`
	OnExpiry     string          `json:"on_expiry" jsonschema:"default=stop,enum=stop,enum=destroy" jsonschema_description:"when the lease ends"`
	StopWhenIdle int             `json:"stop_when_idle_minutes,omitempty" jsonschema:"minimum=1,maximum=9999" jsonschema_description:"stop it when its GPUs idle so long; default as before"`
}

func (in startInput) request() rental.StartRequest {
	return rental.StartRequest{Instance: in.InstanceID, LeaseHours: in.LeaseHours, OnExpiry: in.OnExpiry, IdleMinutes: in.StopWhenIdle}
}

func (i *instances) planStart(ctx context.Context, _ tool.Call, in startInput) (guard.Plan, error) {
	return i.desk.PlanStart(ctx, in.request())
}

func (i *instances) start(ctx context.Context, _ tool.Call, g *guard.Grant, _ startInput) (rentalOutput, error) {
	res, err := i.desk.Start(ctx, g)
	done := "Started"
	if g.Plan().Free {
		done = "It runs already"
	}
	return i.rented(g, res, err, done)
}

func (i *instances) rented(g *guard.Grant, res rental.Result, err error, done string) (rentalOutput, error) {
	if err != nil {
		return rentalOutput{}, err
	}
	if !res.Known {
		return rentalOutput{Decision: tool.Decision{Status: tool.Unknown, Message: res.Why}}, nil
	}
	v := view.OfInstance(res.Instance, i.clock.ServerTime())
	return rentalOutput{Decision: tool.Finished(g), InstanceID: v.InstanceID, Instance: &v, Warnings: res.Notes, done: done, enforced: g.Plan().Enforcement()}, nil
}
