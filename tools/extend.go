package tools

import (
	"context"
	"fmt"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// extendInput is what extend_lease takes.
type extendInput struct {
	InstanceID vast.InstanceID `json:"instance_id" jsonschema:"minimum=1" jsonschema_description:"id"`
	LeaseHours float64         `json:"lease_hours" jsonschema:"minimum=0.1" jsonschema_description:"from now on"`
	OnExpiry   string          `json:"on_expiry,omitempty" jsonschema:"enum=stop,enum=destroy" jsonschema_description:"as it was, if omitted"`
}

// extendOutput is what extend_lease answers.
type extendOutput struct {
	tool.Decision
	InstanceID vast.InstanceID `json:"instance_id,omitempty"`
	Lease      *view.Lease     `json:"lease,omitempty"`

	enforced string // by whom the lease is
}

// Text tells until when the instance may live now.
func (o extendOutput) Text() string {
	if o.Status == tool.Unknown {
		return "OUTCOME UNKNOWN, being settled: " + o.Message + ".\nCall again with the same arguments in a moment: no time is added twice.\n"
	}
	return fmt.Sprintf("The lease of instance %d: %s at %s.\nIt is ended %s.\n", o.InstanceID, o.Lease.OnExpiry, o.Lease.Until.Format("2006-01-02T15:04:05Z"), o.enforced)
}

func (i *instances) planExtend(ctx context.Context, _ tool.Call, in extendInput) (guard.Plan, error) {
	return i.desk.PlanExtend(ctx, rental.ExtendRequest{Instance: in.InstanceID, LeaseHours: in.LeaseHours, OnExpiry: in.OnExpiry})
}

func (i *instances) extend(ctx context.Context, _ tool.Call, g *guard.Grant, in extendInput) (extendOutput, error) {
	res, err := i.desk.Extend(ctx, g)
	if err != nil {
		return extendOutput{}, err
	}
	if !res.Known {
		return extendOutput{Decision: tool.Decision{Status: tool.Unknown, Message: res.Why}}, nil
	}
	v := view.OfInstance(res.Instance, i.clock.ServerTime())
	if v.Lease == nil {
		return extendOutput{}, tool.Fail(tool.WrongState, "instance %d carries no lease any more", in.InstanceID).Hint("call again in a moment")
	}
	return extendOutput{Decision: tool.Finished(g), InstanceID: v.InstanceID, Lease: v.Lease, enforced: g.Plan().Enforcement()}, nil
}
