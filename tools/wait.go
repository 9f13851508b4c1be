package tools

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/internal/watch"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// waitInput is what wait_for_instance takes.
type waitInput struct {
	InstanceID vast.InstanceID `json:"instance_id" jsonschema:"minimum=1" jsonschema_description:"id"`
	Until      string          `json:"until" jsonschema:"default=ready,enum=ready,enum=stopped,enum=gone" jsonschema_description:"what to wait for"`
	Timeout    int             `json:"timeout_seconds" jsonschema:"default=30,minimum=1,maximum=45" jsonschema_description:"wall time"`
}

// waitOutput is what wait_for_instance answers.
type waitOutput struct {
	Reached  bool           `json:"reached"`
	State    view.State     `json:"state"`
	Instance *view.Instance `json:"instance,omitempty"`

	until string
}

// Text tells whether it came that far.
func (o waitOutput) Text() string {
	switch {
	case o.Instance == nil:
		return "The instance is gone; it costs nothing any more.\n"
	case o.Reached:
		return o.Instance.Text()
	case o.until == "ready" && o.State.Final():
		return "It will not become " + o.until + " by itself.\n" + o.Instance.Text()
	}
	return "Not " + o.until + " yet: call wait_for_instance again.\n" + o.Instance.Text()
}

func (i *instances) wait(ctx context.Context, c tool.Call, in waitInput) (waitOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	looks, said := 0.0, ""
	last, err := i.watch.Until(ctx, in.InstanceID, func(row vast.Instance) bool {
		v := view.OfInstance(row, i.clock.ServerTime())
		if now := progressLine(v); now != said {
			looks, said = looks+1, now
			c.Progress(looks, 0, now)
		}
		return i.reached(in.Until, v, row) || in.Until == "ready" && v.State.Final()
	})
	switch {
	case errors.Is(err, watch.ErrGone) && (last.ID != 0 || in.Until == "gone" && i.desk.Knew(ctx, in.InstanceID)):
		return waitOutput{Reached: in.Until != "ready", State: view.Gone, until: in.Until}, nil
	case err != nil:
		return waitOutput{}, err
	}
	v := view.OfInstance(last, i.clock.ServerTime())
	return waitOutput{Reached: i.reached(in.Until, v, last), State: v.State, Instance: &v, until: in.Until}, nil
}

func (i *instances) reached(until string, v view.Instance, row vast.Instance) bool {
	switch until {
	case "ready":
		return v.State == view.Ready
	case "stopped":
		return rental.Stopped(row)
	}
	return false
}

func progressLine(v view.Instance) string {
	line := fmt.Sprintf("instance %d: %s", v.InstanceID, v.State)
	if v.Vast.Message != "" && v.State != view.Ready {
		line += ", " + plain.Line(v.Vast.Message, 80)
	}
	return line
}

// logsInput is what get_logs takes.
type logsInput struct {
	InstanceID vast.InstanceID `json:"instance_id" jsonschema:"minimum=1" jsonschema_description:"id"`
	Tail       int             `json:"tail" jsonschema:"default=100,minimum=1,maximum=1000" jsonschema_description:"last lines"`
	Filter     string          `json:"filter,omitempty" jsonschema:"maxLength=200" jsonschema_description:"grep pattern"`
	Daemon     bool            `json:"daemon,omitempty" jsonschema_description:"the host's log instead"`
}

func (i *instances) logs(ctx context.Context, _ tool.Call, in logsInput) (view.Log, error) {
	if _, err := i.api.Get(ctx, in.InstanceID); err != nil {
		return view.Log{}, err
	}
	text, err := i.api.Logs(ctx, in.InstanceID, vast.LogOptions{Tail: in.Tail, Filter: in.Filter, Daemon: in.Daemon})
	if err != nil {
		return view.Log{}, err
	}
	return view.OfLog(in.InstanceID, text), nil
}
