package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// destroyInput is what destroy_instance takes.
type destroyInput struct {
	InstanceIDs []vast.InstanceID `json:"instance_ids" jsonschema:"minItems=1,maxItems=64" jsonschema_description:"ids"`
}

// ids are the instances to destroy, each once, in order.
func (in destroyInput) ids() []vast.InstanceID {
	all := slices.Clone(in.InstanceIDs)
	slices.Sort(all)
	return slices.Compact(all)
}

// endOutput is what stop_instance and destroy_instance answer.
type endOutput struct {
	tool.Decision
	InstanceIDs []vast.InstanceID `json:"instance_ids,omitempty" jsonschema_description:"stopped, or gone"`
	Left        []vast.InstanceID `json:"not_yet,omitempty" jsonschema_description:"not seen stopped, or gone, yet"`

	done string
}

// Text tells what was ended and what is still there.
func (o endOutput) Text() string {
	if o.Status == tool.Unknown {
		return fmt.Sprintf("Not finished: %s. Still there: %s.\nCall again with the same arguments, or wait_for_instance.\n", o.Message, join(o.Left))
	}
	again := ""
	if o.Replayed {
		again = " (by an earlier, identical call)"
	}
	text := fmt.Sprintf("%s: %s%s.\n", o.done, join(o.InstanceIDs), again)
	if o.Message != "" {
		text += "Note: " + o.Message + ".\n"
	}
	return text
}

func join(ids []vast.InstanceID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(id)
	}
	return strings.Join(words, ", ")
}

func (i *instances) planStop(ctx context.Context, _ tool.Call, in idInput) (guard.Plan, error) {
	return i.desk.PlanStop(ctx, in.InstanceID)
}

func (i *instances) stop(ctx context.Context, _ tool.Call, g *guard.Grant, in idInput) (endOutput, error) {
	res, err := i.desk.Stop(ctx, g, in.InstanceID)
	if err != nil {
		return endOutput{}, err
	}
	ids := []vast.InstanceID{in.InstanceID}
	if !res.Known {
		return endOutput{Decision: tool.Decision{Status: tool.Unknown, Message: res.Why}, Left: ids}, nil
	}
	finished := tool.Finished(g)
	finished.Message = erased(view.OfInstance(res.Instance, i.clock.ServerTime()).Lease)
	return endOutput{Decision: finished, InstanceIDs: ids, done: "Seen stopped; the disk is kept and billed"}, nil
}

// erased warns that what was stopped to be kept is not.
func erased(l *view.Lease) string {
	if l == nil || l.OnExpiry != rental.OnExpiryDestroy {
		return ""
	}
	return fmt.Sprintf("its lease destroys it, disk and all, at %s; extend_lease with on_expiry stop keeps it", l.Until.Format(time.RFC3339))
}

func (i *instances) planDestroy(ctx context.Context, _ tool.Call, in destroyInput) (guard.Plan, error) {
	return i.desk.PlanDestroy(ctx, in.ids())
}

func (i *instances) destroy(ctx context.Context, _ tool.Call, g *guard.Grant, in destroyInput) (endOutput, error) {
	left, err := i.desk.Destroy(ctx, g, in.ids())
	if err != nil {
		return endOutput{}, err
	}
	if len(left) > 0 {
		return endOutput{Decision: tool.Decision{Status: tool.Unknown, Message: "destroying was requested and not all is seen gone"}, Left: left}, nil
	}
	return endOutput{Decision: tool.Finished(g), InstanceIDs: in.ids(), done: "Seen gone, costs ended"}, nil
}
