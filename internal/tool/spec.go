package tool

import (
	"context"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"

	"vast-mcp/guard"
)

// Effect is what a tool does to the world. It follows from the constructor
// that declared the tool.
type Effect string

// The effects, in rising order of harm.
const (
	EffectRead    Effect = "read"
	EffectChange  Effect = "change"
	EffectAccess  Effect = "access"
	EffectDestroy Effect = "destroy"
	EffectSpend   Effect = "spend"
)

// Spec describes a tool to people and models.
type Spec struct {
	Name       string // verb_noun
	Title      string
	Doc        string   // what the model reads; ASCII, short
	Idempotent bool     // doing it twice is doing it once
	Aliases    []string // further names that answer and are not listed
}

// Tool is a declared tool. Make one with Read, Change, Access, Destroy or Spend.
type Tool struct {
	Spec
	Effect Effect

	input  func() *inputSchema
	output func() json.RawMessage
	run    func(context.Context, *Runner, request) *mcp.CallToolResult
}

// Set is a group of tools that is switched on or off together.
type Set struct {
	Name    string
	Doc     string
	Default bool
	Tools   []Tool
}

// Func is the handler of an unguarded tool.
type Func[In, Out any] func(ctx context.Context, c Call, in In) (Out, error)

// Guarded is the handler of a guarded tool.
type Guarded[In, Out any] struct {
	// Plan says what would be done and at what price; its Effect is the tool's.
	// It changes nothing and may run several times.
	Plan func(ctx context.Context, c Call, in In) (guard.Plan, error)
	// Fit names something that would pass where the plan was refused for its
	// price; empty when there is nothing. nil: nothing is looked for.
	Fit func(ctx context.Context, in In, p guard.Plan, r *guard.Refusal) string
	// Do does it, or carries on where an earlier call with the same grant
	// stopped.
	Do func(ctx context.Context, c Call, g *guard.Grant, in In) (Out, error)
}

// Read declares a tool that changes nothing.
func Read[In, Out any](s Spec, f Func[In, Out]) Tool { return plain(s, EffectRead, f) }

// Change declares a tool whose effect needs no leave.
func Change[In, Out any](s Spec, f Func[In, Out]) Tool { return plain(s, EffectChange, f) }

// Access declares a tool that lets somebody in.
func Access[In any, Out decided](s Spec, f Guarded[In, Out]) Tool {
	return guarded(s, EffectAccess, f)
}

// Destroy declares a tool that stops or deletes something.
func Destroy[In any, Out decided](s Spec, f Guarded[In, Out]) Tool {
	return guarded(s, EffectDestroy, f)
}

// Spend declares a tool that costs money.
func Spend[In any, Out decided](s Spec, f Guarded[In, Out]) Tool {
	return guarded(s, EffectSpend, f)
}

func plain[In, Out any](s Spec, e Effect, f Func[In, Out]) Tool {
	t := declare[In, Out](s, e)
	t.run = func(ctx context.Context, r *Runner, req request) *mcp.CallToolResult {
		in, _, err := decode[In](t.input(), req.args)
		if err != nil {
			return r.fail(s.Name, err)
		}
		out, err := f(ctx, req.call, in)
		if err != nil {
			return r.fail(s.Name, err)
		}
		return success(out)
	}
	return t
}

func guarded[In any, Out decided](s Spec, e Effect, f Guarded[In, Out]) Tool {
	t := declare[In, Out](s, e)
	t.run = func(ctx context.Context, r *Runner, req request) *mcp.CallToolResult {
		named, args, err := takeApproval(r.guard.Mode(), req.args)
		if err != nil {
			return r.fail(s.Name, err)
		}
		in, canonical, err := decode[In](t.input(), args)
		if err != nil {
			return r.fail(s.Name, err)
		}
		return r.decide(ctx, req, job{
			call: guard.Call{Caller: req.call.Caller, Tool: s.Name, Args: canonical, Named: named, Began: r.now()},
			end:  e == EffectDestroy,
			plan: func(ctx context.Context) (guard.Plan, error) {
				p, err := f.Plan(ctx, req.call, in)
				p.Effect = guard.Effect(e) // judged by what the tool is declared to do, whatever its planner says
				return p, err
			},
			fit: func(ctx context.Context, p guard.Plan, r *guard.Refusal) string {
				if f.Fit == nil {
					return ""
				}
				return f.Fit(ctx, in, p, r)
			},
			do: func(ctx context.Context, g *guard.Grant) (decided, error) {
				return f.Do(ctx, req.call, g, in)
			},
		})
	}
	return t
}

// Definition is the tool as tools/list shows it under an approval mode.
func (t Tool) Definition(mode guard.Mode) mcp.Tool {
	input := t.input().raw
	if mode == guard.Model && t.guarded() {
		input = t.input().withApproval
	}
	return mcp.Tool{
		Name: t.Name, Title: t.Title, Description: t.Doc,
		RawInputSchema: input, RawOutputSchema: t.output(),
		Annotations: mcp.ToolAnnotation{
			ReadOnlyHint:    new(t.Effect == EffectRead),
			DestructiveHint: new(t.Effect == EffectDestroy || t.Effect == EffectSpend),
			IdempotentHint:  new(t.Effect == EffectRead || t.Idempotent),
			OpenWorldHint:   new(true),
		},
	}
}

func (t Tool) guarded() bool {
	return t.Effect == EffectAccess || t.Effect == EffectDestroy || t.Effect == EffectSpend
}
