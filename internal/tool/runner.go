package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/guard"
)

// Config is what a Runner needs. All fields but Sandbox and Confirm are required.
type Config struct {
	Guard          *guard.Guard
	Log            *slog.Logger
	Explain        func(error) *Failure             // turns the API's errors into failures; nil for others
	Caller         func(ctx context.Context) string // names the principal of a request
	ApproveCommand func(name string) string         // the command line that approves a quote by its code or ID
	Sandbox        bool                             // quotes say that no real money is spent

	// Report sends progress to the very call that ctx is of, or returns false
	// where only the library can.
	Report func(ctx context.Context, params map[string]any) bool

	// Confirm asks on the terminal of a call from the command line, when the
	// journal is out of order. It fails where there is none; nil is none.
	Confirm func(ctx context.Context, question string) (yes bool, err error)

	AnswerWithin time.Duration // every call answers in that time
	Now          func() time.Time
}

// Runner runs tools: it takes requests from MCP or from the command line.
type Runner struct {
	guard          *guard.Guard
	log            *slog.Logger
	explain        func(error) *Failure
	caller         func(ctx context.Context) string
	approveCommand func(name string) string
	confirm        func(ctx context.Context, question string) (bool, error)
	sandbox        bool
	report         func(ctx context.Context, params map[string]any) bool
	answerWithin   time.Duration
	now            func() time.Time
	tools          []Tool

	over chan struct{} // closed by Stop
	stop func()
}

// NewRunner returns a Runner for the tools of sets, in order of their names.
func NewRunner(c Config, sets []Set) *Runner {
	r := &Runner{
		guard: c.Guard, log: c.Log, explain: c.Explain, caller: c.Caller, approveCommand: c.ApproveCommand, confirm: c.Confirm,
		sandbox: c.Sandbox, answerWithin: c.AnswerWithin, now: c.Now,
		report: c.Report, over: make(chan struct{}),
	}
	r.stop = sync.OnceFunc(func() { close(r.over) })
	for _, set := range sets {
		r.tools = append(r.tools, set.Tools...)
	}
	slices.SortFunc(r.tools, func(a, b Tool) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// request is one call, whichever way it came.
type request struct {
	args    json.RawMessage
	call    Call
	local   bool               // it came from the command line
	state   string             // requestState of a modern client's second round
	answers mcp.InputResponses // and what its user said
	parent  context.Context    //nolint:containedctx // the call's context without our own deadline, see extend
}

// extend gives the work at least d from now on: after a late yes the call's
// own deadline is near.
func (r *Runner) extend(ctx context.Context, req request, d time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(r.now()) >= d {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(req.parent, d)
}

// Register adds the tools to s and makes their aliases answer.
func (r *Runner) Register(s *server.MCPServer) {
	for _, t := range r.tools {
		s.AddTool(t.Definition(r.guard.Mode()), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return r.serve(ctx, t, req), nil
		})
	}
}

// Rename is a hook that runs before a tool is looked up: a call by an alias
// becomes a call by the name.
func (r *Runner) Rename(_ context.Context, _ any, req *mcp.CallToolRequest) {
	if t, ok := r.Find(req.Params.Name); ok {
		req.Params.Name = t.Name
	}
}

// Find returns the tool with that name or alias.
func (r *Runner) Find(name string) (Tool, bool) {
	i := slices.IndexFunc(r.tools, func(t Tool) bool { return t.Name == name || slices.Contains(t.Aliases, name) })
	if i < 0 {
		return Tool{}, false
	}
	return r.tools[i], true
}

// Stop cuts short every call that is on its way, so that it still answers. An
// order goes on without its call.
func (r *Runner) Stop() { r.stop() }

// Names lists the names of all tools, aliases left out.
func (r *Runner) Names() []string {
	names := make([]string, len(r.tools))
	for i, t := range r.tools {
		names[i] = t.Name
	}
	return names
}

func (r *Runner) serve(ctx context.Context, t Tool, req mcp.CallToolRequest) *mcp.CallToolResult {
	args := req.Params.RawArguments
	if len(args) == 0 && req.Params.Arguments != nil {
		args = marshal(req.Params.Arguments)
	}
	call := Call{Caller: r.caller(ctx)}
	progress := r.reporterOf(ctx, req)
	if progress != nil {
		call.progress = func(done, total float64, message string) { progress.report(ctx, done, total, message) }
		defer progress.flush(ctx)
	}
	return r.run(ctx, t, request{args: args, state: req.Params.RequestState, answers: req.Params.InputResponses, call: call})
}

// Result is what a call from the command line gets.
type Result struct {
	Structured json.RawMessage
	Status     Status // of a guarded tool; empty for others
	Failure    *Failure
}

// Call runs one tool without a client, which could ask its user. progress may
// be nil.
func (r *Runner) Call(ctx context.Context, t Tool, args json.RawMessage, progress func(message string)) Result {
	call := Call{Caller: r.caller(ctx)}
	if progress != nil {
		call.progress = func(_, _ float64, message string) { progress(message) }
	}
	res := r.run(ctx, t, request{args: args, call: call, local: true})
	if res.IsError {
		f, _ := res.Meta.AdditionalFields[errorMeta].(*Failure)
		return Result{Failure: f}
	}
	raw, _ := res.StructuredContent.(json.RawMessage)
	var d Decision
	_ = json.Unmarshal(raw, &d) // tools without a status have none
	return Result{Structured: raw, Status: d.Status}
}

// run runs t under the call's deadline. A panic is a defect, not an answer: the
// stack goes to the log and a reference to the caller.
func (r *Runner) run(ctx context.Context, t Tool, req request) (res *mcp.CallToolResult) {
	defer func() {
		if p := recover(); p != nil {
			res = r.fail(t.Name, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	req.parent = ctx
	ctx, cancel := context.WithTimeout(ctx, r.answerWithin)
	defer cancel()
	go func() {
		select {
		case <-r.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	return t.run(ctx, r, req)
}

// success makes the result of a tool: structured content for programs, and a
// text for whoever reads.
func success(out any) *mcp.CallToolResult {
	raw := structured(out)
	text := string(raw)
	if t, ok := out.(interface{ Text() string }); ok {
		text = t.Text()
	}
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(text)}, StructuredContent: raw}
}

func structured(out any) json.RawMessage {
	if d, ok := out.(refused); ok {
		return marshal(d.Decision)
	}
	return marshal(out)
}
