package prompts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/internal/complete"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/region"
	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

// How long the lists that complete arguments are good for.
const (
	gpusFor      = 10 * time.Minute
	templatesFor = time.Minute
	instancesFor = 10 * time.Second
)

type completer struct {
	prompts                            []prompt
	gpus, images, templates, instances *complete.List
}

// NewCompleter completes the prompts' arguments: GPUs, regions, images,
// templates and instances; the last two also by their names. It never fails:
// what cannot be read completes to nothing. It is safe for concurrent use.
func NewCompleter(d Deps) server.PromptCompletionProvider {
	r := &room{d}
	return &completer{
		prompts:   r.prompts(),
		gpus:      complete.NewList(gpusFor, d.Now, r.gpuChoices),
		images:    complete.NewList(templatesFor, d.Now, r.imageChoices),
		templates: complete.NewList(templatesFor, d.Now, r.templateChoices),
		instances: complete.NewList(instancesFor, d.Now, r.instanceChoices),
	}
}

// CompletePromptArgument implements server.PromptCompletionProvider.
func (c *completer) CompletePromptArgument(ctx context.Context, name string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	if !c.has(name, argument.Name) {
		return &mcp.Completion{}, nil
	}
	g := complete.Match(argument.Value, c.choices(ctx, argument.Name))
	return &mcp.Completion{Values: g.Values, Total: g.Total, HasMore: g.More}, nil
}

func (c *completer) has(name, arg string) bool {
	return slices.ContainsFunc(c.prompts, func(p prompt) bool {
		return p.name == name && slices.ContainsFunc(p.arguments, func(a argument) bool { return a.name == arg })
	})
}

func (c *completer) choices(ctx context.Context, arg string) []complete.Choice {
	switch arg {
	case "gpu":
		return c.gpus.Get(ctx)
	case "region":
		return complete.Values(slices.Concat(region.Names(), region.Codes()))
	case "image":
		return slices.Concat(complete.Values(images()), c.images.Get(ctx))
	case "template_hash":
		return c.templates.Get(ctx)
	case "instance_id":
		return c.instances.Get(ctx)
	}
	return nil
}

func (r *room) gpuChoices(ctx context.Context) ([]complete.Choice, error) {
	names, err := r.Market.GPUNames(ctx)
	var all []complete.Choice
	for _, name := range names {
		all = append(all, complete.Choice{Value: plain.Line(name, 60)})
	}
	return all, err
}

func (r *room) instanceChoices(ctx context.Context) ([]complete.Choice, error) {
	all, err := r.Instances.All(ctx)
	return view.InstanceChoices(all), err
}

// own are the account's own templates.
func (r *room) own(ctx context.Context) ([]vast.Template, error) {
	user, err := r.Account.Current(ctx)
	if err != nil {
		return nil, err
	}
	return r.Templates.Search(ctx, vast.Filter{}.With("creator_id", "eq", user.ID))
}

// imageChoices are the images of the account's templates and of what it rents.
func (r *room) imageChoices(ctx context.Context) ([]complete.Choice, error) {
	templates, err := r.own(ctx)
	rented, listErr := r.Instances.All(ctx)
	var all []complete.Choice
	for _, t := range templates {
		ref := t.Image
		if t.Tag != "" {
			ref += ":" + t.Tag
		}
		all = append(all, complete.Choice{Value: plain.Line(ref, 200), Words: plain.Line(t.Name, 100)})
	}
	for _, in := range rented {
		all = append(all, complete.Choice{Value: plain.Line(in.Image, 200)})
	}
	return all, errors.Join(err, listErr)
}

// templateChoices are the account's own templates and the recommended ones.
// All that are public would be thousands.
func (r *room) templateChoices(ctx context.Context) ([]complete.Choice, error) {
	own, err := r.own(ctx)
	recommended, searchErr := r.Templates.Search(ctx, vast.Filter{}.With("recommended", "eq", true))
	var all []complete.Choice
	for _, t := range slices.Concat(own, recommended) {
		all = append(all, complete.Choice{Value: plain.Line(t.Hash, 64), Words: plain.Line(t.Name, 100)})
	}
	return all, errors.Join(err, searchErr)
}
