package prompts

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/vast"
)

// Instances is where rentals are read.
type Instances interface {
	All(ctx context.Context) ([]vast.Instance, error)
	Get(ctx context.Context, id vast.InstanceID) (vast.Instance, error)
}

// Market is where the names of GPUs are read.
type Market interface {
	GPUNames(ctx context.Context) ([]string, error)
}

// Templates is where templates are found.
type Templates interface {
	Search(ctx context.Context, f vast.Filter) ([]vast.Template, error)
}

// Account is where the credit is read.
type Account interface {
	Current(ctx context.Context) (vast.User, error)
}

// Billing is where charges are read.
type Billing interface {
	Charges(ctx context.Context, q vast.ChargeQuery) iter.Seq2[vast.Charge, error]
}

// APIClock tells the API's time as its newest answer did.
type APIClock interface {
	ServerTime() time.Time
}

// Deps is what the facts and the completions are read from. The zero Deps is
// enough to list the prompts; the rest needs all fields.
type Deps struct {
	Instances Instances
	Market    Market
	Templates Templates
	Account   Account
	Billing   Billing
	APIClock  APIClock
	InForce   func(ctx context.Context) guard.InForce
	Lease     time.Duration // of a rental that names none
	Idle      view.Idle
	Sandbox   bool
	Explain   func(error) *tool.Failure // the API's errors in plain words; nil for others
	Log       *slog.Logger              // gets the errors that Explain does not know
	Now       func() time.Time          // wall time

	// Has reports whether the server offers a tool: a prompt that works with one
	// that is missing is left out. nil: it offers all.
	Has func(tool string) bool
}

// room is what the prompts have in common.
type room struct {
	Deps
}

// prompt is a task that a person can start from.
type prompt struct {
	name, title, doc string
	needs            string // the tool without which it is pointless
	arguments        []argument
	facts            func(context.Context, arguments) (string, error)
	script           func(context.Context, arguments) script
}

// argument is what a prompt can be told.
type argument struct {
	name, doc string
	required  bool
	check     func(value string) bool // nil: any text will do
}

// arguments are the values by name, cleaned; what was not given is empty.
type arguments map[string]string

// script is what a prompt asks of a model, in the words of its user.
type script struct {
	task   string
	wishes []string
	steps  []string
}

// prompts is the one registry.
func (r *room) prompts() []prompt {
	return []prompt{r.rentGPU(), r.tearDown(), r.costReview(), r.diagnoseInstance()}
}

// Register adds every prompt to s.
func Register(s *server.MCPServer, d Deps) {
	r := &room{d}
	for _, p := range r.prompts() {
		if d.Has != nil && !d.Has(p.needs) {
			continue
		}
		s.AddPrompt(p.definition(), func(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			args, err := p.accept(req.Params.Arguments)
			if err != nil {
				return nil, err
			}
			message := mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(r.render(ctx, p, args)))
			return mcp.NewGetPromptResult(p.doc, []mcp.PromptMessage{message}), nil
		})
	}
}

func (p prompt) definition() mcp.Prompt {
	def := mcp.NewPrompt(p.name, mcp.WithPromptTitle(p.title), mcp.WithPromptDescription(p.doc))
	for _, a := range p.arguments {
		def.Arguments = append(def.Arguments, mcp.PromptArgument{Name: a.name, Description: a.doc, Required: a.required})
	}
	return def
}

// maxArgument caps an argument in bytes.
const maxArgument = 300

// accept takes the arguments that p knows and insists on the required ones,
// which the library does not. Its error reaches the client as it stands.
func (p prompt) accept(given map[string]string) (arguments, error) {
	args := arguments{}
	for _, a := range p.arguments {
		value := plain.Line(given[a.name], maxArgument)
		switch {
		case a.required && value == "":
			return nil, fmt.Errorf("%s: %s is missing\nNext: give %s", tool.InvalidArguments, a.name, a.doc)
		case a.check != nil && value != "" && !a.check(value):
			return nil, fmt.Errorf("%s: %s: %q cannot be used\nNext: give %s", tool.InvalidArguments, a.name, value, a.doc)
		}
		args[a.name] = value
	}
	return args, nil
}

// render is the whole prompt: the task, the steps, and the facts as data.
func (r *room) render(ctx context.Context, p prompt, args arguments) string {
	first, facts := r.gather(ctx, p, args)
	s := p.script(ctx, args)
	var b strings.Builder
	b.WriteString(s.task + "\n")
	for _, wish := range s.wishes {
		b.WriteString("- " + wish + "\n")
	}
	b.WriteString("\n" + first)
	for i, step := range s.steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, step)
	}
	return b.String() + "\n" + facts
}
