package tools

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/usd"
	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

// listInput is what list_instances takes.
type listInput struct {
	Label  string `json:"label,omitempty" jsonschema_description:"only labels that begin so"`
	State  string `json:"state,omitempty" jsonschema:"enum=provisioning,enum=pulling,enum=starting,enum=ready,enum=stuck,enum=image_error,enum=host_error,enum=outbid,enum=queued,enum=stopped,enum=offline" jsonschema_description:"only this state"`
	Limit  int    `json:"limit" jsonschema:"default=25,minimum=1,maximum=200" jsonschema_description:"rows"`
	Cursor string `json:"cursor,omitempty" jsonschema_description:"next_cursor of the last answer"`
}

// listOutput is what list_instances answers.
type listOutput struct {
	Instances      []view.Instance  `json:"instances"`
	Total          int              `json:"total" jsonschema_description:"on the whole account"`
	RunningPerHour usd.Amount       `json:"running_dollars_per_hour" jsonschema_description:"of the whole account"`
	Volumes        []volume         `json:"volumes,omitempty" jsonschema_description:"only when there are no instances"`
	OpenOrders     []view.OpenOrder `json:"open_orders,omitempty" jsonschema_description:"still being settled: a machine may run and cost money for each"`
	NextCursor     string           `json:"next_cursor,omitempty"`
	AppliedFilter  map[string]any   `json:"applied_filter,omitempty"`
	LeftOut        string           `json:"left_out,omitempty"`

	nothing string // why it is certain, or not quite, that nothing is there
}

// Text is the instances as a table, and the orders that may become some.
func (o listOutput) Text() string {
	text := ""
	if o.Total == 0 && len(o.OpenOrders) == 0 && o.LeftOut == "" {
		text = "No instances on this account: the list is complete and empty. " + o.nothing + "\n"
		for _, v := range o.Volumes {
			text += fmt.Sprintf("Volume %d %q, %g GB, goes on costing %s/h until it is deleted.\n", v.VolumeID, v.Name, v.DiskGB, v.PerHour)
		}
		return text
	}
	if len(o.Instances) > 0 {
		text = view.InstanceTable(o.Instances)
	}
	text += fmt.Sprintf("%d instances on the account cost %s/h together.\n", o.Total, o.RunningPerHour)
	for _, order := range o.OpenOrders {
		text += order.Text()
	}
	if len(o.AppliedFilter) > 0 {
		text += "Filter: " + filterText(o.AppliedFilter) + "\n"
	}
	if o.LeftOut != "" {
		text += o.LeftOut + "\n"
	}
	return text
}

func (i *instances) list(ctx context.Context, _ tool.Call, in listInput) (listOutput, error) {
	after := int64(0)
	if in.Cursor != "" {
		var err error
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return listOutput{}, tool.Fail(tool.InvalidArguments, "cursor: %q is not a cursor", in.Cursor).Hint("leave it out, or take next_cursor of the last answer")
		}
	}
	rows, err := i.api.All(ctx)
	if err != nil {
		return listOutput{}, err
	}
	slices.SortFunc(rows, func(a, b vast.Instance) int { return cmp.Compare(a.ID, b.ID) })
	out := listOutput{Instances: []view.Instance{}, Total: len(rows), AppliedFilter: map[string]any{}}
	if in.Label != "" {
		out.AppliedFilter["label begins with"] = in.Label
	}
	if in.State != "" {
		out.AppliedFilter["state"] = in.State
	}
	matching, idle := 0, i.idle.Since(ctx, rows...)
	for _, row := range rows {
		v := view.OfInstance(row, i.clock.ServerTime()).Idling(idle[row.ID])
		out.RunningPerHour = out.RunningPerHour.Add(view.RateNow(row))
		if in.State != "" && string(v.State) != in.State || !strings.HasPrefix(v.Label, in.Label) || int64(row.ID) <= after {
			continue
		}
		if matching++; len(out.Instances) < in.Limit {
			out.Instances = append(out.Instances, v)
			after = 0
			out.NextCursor = fmt.Sprint(row.ID)
		}
	}
	if matching <= len(out.Instances) {
		out.NextCursor = ""
	} else {
		out.LeftOut = fmt.Sprintf("%d more: call again with cursor %q.", matching-len(out.Instances), out.NextCursor)
	}
	open, err := i.desk.Open(ctx, rows)
	if err != nil {
		out.LeftOut = strings.TrimSpace(out.LeftOut + " Whether an order is still being settled is not known: the journal cannot be read.")
	}
	out.OpenOrders = view.OfOrders(open)
	if out.Total == 0 && len(out.OpenOrders) == 0 && err == nil {
		i.emptied(ctx, &out)
	}
	return out, nil
}

// emptied says how certain it is that the account has nothing that costs money.
// A machine or an order of ours would be known by now; a volume is listed on
// a page of its own.
func (i *instances) emptied(ctx context.Context, out *listOutput) {
	volumes, err := i.volumes.List(ctx)
	for _, v := range volumes {
		out.Volumes = append(out.Volumes, volume{v.ID, plain.Line(v.Name, 64), v.DiskGB, usd.Ceil(v.PerHour())})
	}
	switch {
	case err != nil:
		out.nothing = "No GPU is running; whether there are volumes could not be read."
	case len(volumes) > 0:
		out.nothing = "No GPU is running."
	case !i.desk.Remembers():
		out.nothing = "Nothing is running, by the list alone: this program has no record of earlier orders here."
	default:
		out.nothing = "No order is open and there are no volumes: nothing costs money."
	}
}

// volume is disk space that outlives instances.
type volume struct {
	VolumeID vast.VolumeID `json:"volume_id"`
	Name     string        `json:"name"`
	DiskGB   float64       `json:"disk_gb"`
	PerHour  usd.Amount    `json:"dollars_per_hour"`
}
