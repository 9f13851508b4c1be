package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/view"
	"vast-mcp/internal/watch"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/tools"
	"vast-mcp/vast"
)

// Config is what New assembles.
type Config struct {
	Version        string
	Client         *vast.Client
	Journal        *journal.Journal
	Clock          vast.Clock // wall time
	Log            *slog.Logger
	Key            func() ([]byte, error) // hashes arguments in the journal
	Fingerprint    string                 // of the API key
	Session        bool                   // the key is a login's, and ends with it
	Worker         string                 // names this process; see guard.Config
	Ended          func(worker string) bool
	Policy         guard.Policy
	Mode           guard.Mode
	Selection      tool.Selection
	Sandbox        bool
	ApproveCommand func(name string) string                                         // approves a quote by its code or ID
	Confirm        func(ctx context.Context, question string) (yes bool, err error) // asks on a terminal; nil: there is none
	AnswerWithin   time.Duration                                                    // every call answers in that time
	OrderWithin    time.Duration                                                    // an order is given up after that time
	PollEvery      time.Duration                                                    // between looks at an instance that somebody waits for
	EnforceEvery   time.Duration                                                    // between looks at leases while it serves; zero: it ends none
	IdleAfter      time.Duration                                                    // how long GPUs idle before that is said; zero: never
	Reaper         bool                                                             // it lives to end leases, and the journal says so

	// Fixtures adds what only a test suite asks for. nil adds nothing.
	Fixtures func(*server.MCPServer)
	// Options are set after the server's own; only a test suite has any.
	Options []server.ServerOption
}

// App is the assembled server.
type App struct {
	config Config
	desk   *rental.Desk
	guard  *guard.Guard
	watch  *watch.Watcher
	runner *tool.Runner
	sets   []tool.Set
}

// New assembles an App. It opens nothing and sends nothing. It fails on a
// selection of tools that do not exist.
func New(c Config) (*App, error) {
	desk := rental.New(rental.Config{
		Client: c.Client, Journal: c.Journal, Clock: c.Clock, Log: c.Log, Policy: c.Policy, ReadOnly: c.Selection.ReadOnly,
		EnforcedBy: c.enforcers(), OrderWithin: c.OrderWithin, Fingerprint: c.Fingerprint, Session: c.Session,
	})
	g := guard.New(guard.Config{Journal: c.Journal, World: desk, Policy: c.Policy, Mode: c.Mode, Key: c.Key, Now: c.Clock.Now, Worker: c.Worker, Ended: c.Ended})
	a := &App{config: c, desk: desk, guard: g}
	watcher := watch.New(source{lists: c.Client.Urgent().Instances, pages: c.Client.Instances}, c.Clock, c.PollEvery)
	sets, err := c.Selection.Select(tools.Sets(tools.Deps{
		Market: c.Client.Offers, Instances: c.Client.Instances, SSHKeys: c.Client.SSHKeys, Account: c.Client.Account,
		Billing: c.Client.Billing, Volumes: c.Client.Volumes, APIClock: c.Client, Desk: desk, Watch: watcher,
		InForce: a.inForce, Idle: a.idle(), Sandbox: c.Sandbox,
	}))
	if err != nil {
		return nil, err
	}
	runner := tool.NewRunner(tool.Config{
		Guard: g, Log: c.Log, Explain: tools.Explain, Caller: callerOf, Report: report,
		ApproveCommand: c.ApproveCommand, Confirm: c.Confirm, Sandbox: c.Sandbox, AnswerWithin: c.AnswerWithin, Now: c.Clock.Now,
	}, sets)
	a.watch, a.runner, a.sets = watcher, runner, sets
	return a, nil
}

// source is how the watcher sees instances. Lists go first: leases are ended by
// them, and however many wait share one. A look at one instance waits its turn,
// as any agent may ask for any number of them.
type source struct{ lists, pages *vast.InstanceService }

// Get reads one instance.
func (s source) Get(ctx context.Context, id vast.InstanceID) (vast.Instance, error) {
	return s.pages.Get(ctx, id)
}

// All reads all instances.
func (s source) All(ctx context.Context) ([]vast.Instance, error) { return s.lists.All(ctx) }

// localCaller names whoever talks to this process directly.
const localCaller = "local"

// Close waits for orders that are still on the wire and closes the journal.
func (a *App) Close() error {
	a.desk.Wait()
	return a.config.Journal.Close()
}

// Journal is the journal that the server works with.
func (a *App) Journal() *journal.Journal { return a.config.Journal }

// Call runs one tool for the command line, where nobody can be asked. It fails
// when there is no such tool.
func (a *App) Call(ctx context.Context, name string, args json.RawMessage, progress func(string)) (tool.Result, error) {
	t, ok := a.runner.Find(name)
	if !ok {
		return tool.Result{}, fmt.Errorf("there is no tool %q%s", name, tool.DidYouMean(name, a.runner.Names()))
	}
	return a.runner.Call(ctx, t, args, progress), nil
}

// Settle finds out, once, what became of orders whose answer was lost; see
// [rental.Desk.Settle].
func (a *App) Settle(ctx context.Context) (settled, open []rental.Order, err error) {
	return a.desk.Settle(ctx)
}

// Release takes the lease off an instance; see [rental.Desk.Release].
func (a *App) Release(ctx context.Context, id vast.InstanceID) (vast.Instance, error) {
	return a.desk.Release(ctx, id)
}

// Leases lists every lease on the account.
func (a *App) Leases(ctx context.Context) (view.Leases, error) {
	all, err := a.desk.Leases(ctx)
	if err != nil {
		return view.Leases{}, a.explained(err)
	}
	return view.OfLeases(all, math.MaxInt), nil
}

// Orphans lists what goes on costing money without a lease that ends it. call
// says how its reader calls a tool.
func (a *App) Orphans(ctx context.Context, call view.Call) (view.Orphans, error) {
	all, err := a.desk.Orphans(ctx)
	if err != nil {
		return view.Orphans{}, a.explained(err)
	}
	return view.OfOrphans(all, math.MaxInt, call), nil
}

// explained is an error in the words that a tool would fail with.
func (a *App) explained(err error) error {
	f := view.OfError(err, tools.Explain, a.config.Log)
	return fmt.Errorf("%w\nNext: %s", f, f.Next)
}

// Sets lists the tools that this server has.
func (a *App) Sets() []tool.Set { return a.sets }
