package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"vast-mcp/guard"
)

// Exit codes of every command.
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitApproval = 3
	exitUnknown  = 4
)

// commands is the command line.
type commands struct {
	globals

	Stdio     stdioCmd     `cmd:"" default:"1" help:"Speak MCP over stdin and stdout (the default)."`
	HTTP      httpCmd      `cmd:"" name:"http" help:"Serve MCP over streamable HTTP."`
	Demo      demoCmd      `cmd:"" help:"Watch the whole loop against a simulated market. Needs no account."`
	Sandbox   sandboxCmd   `cmd:"" help:"Serve the simulated Vast.ai API over HTTP for any client."`
	Call      callCmd      `cmd:"" help:"Call one tool and print its result as one line of JSON."`
	Tools     toolsCmd     `cmd:"" help:"Show the tools."`
	Approve   approveCmd   `cmd:"" help:"Approve a quote by its code or id."`
	Deny      denyCmd      `cmd:"" help:"Deny a quote by its code or id."`
	Approvals approvalsCmd `cmd:"" help:"List the quotes that wait for approval."`
	Approver  approverCmd  `cmd:"" help:"Set or clear the passphrase without which nothing is approved."`
	Leases    leasesCmd    `cmd:"" help:"List the leases: time left, cost so far and at most, and who ends them."`
	Orphans   orphansCmd   `cmd:"" help:"List what goes on costing money without a lease that ends it, and the command for each. Exit 1 if there is any."`
	Settle    settleCmd    `cmd:"" help:"Find out what became of orders whose answer was lost. Exit 1 if any is still open."`
	Reap      reapCmd      `cmd:"" help:"End what is past its lease. Exit 1 if anything remains."`
	Release   releaseCmd   `cmd:"" help:"Take the lease off an instance: it then runs until somebody ends it."`
	Policy    policyCmd    `cmd:"" help:"Show or store the limits that hold, and what is left of them."`
	Journal   journalCmd   `cmd:"" help:"Show what was quoted, approved and done, and check that it is whole."`
	Doctor    doctorCmd    `cmd:"" help:"Say what is wrong, and the fix. Changes nothing."`
	Install   installCmd   `cmd:"" help:"Write this server into an MCP client's configuration."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// session is what every command gets: the streams and the globals.
type session struct {
	globals *globals
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	log     *slog.Logger
	version string
}

// exit is an error that carries its exit code. Its message may be empty when
// everything was said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// Main runs the program and returns its exit code. It ends early, in order,
// when ctx does.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, version string) int {
	err := run(ctx, args, &session{stdin: stdin, stdout: stdout, stderr: stderr, version: version})
	if err == nil {
		return exitOK
	}
	if done, ok := errors.AsType[helpShown](err); ok {
		return int(done)
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintf(stderr, "vast-mcp: %s\n", text)
	}
	if e, ok := errors.AsType[*exit](err); ok {
		return e.code
	}
	return exitError
}

// helpShown is how kong ends after --help, instead of leaving the process.
type helpShown int

func (helpShown) Error() string { return "" }

func run(ctx context.Context, args []string, s *session) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case helpShown:
			err = p
		default:
			panic(p)
		}
	}()
	var cmd commands
	parser, err := kong.New(&cmd,
		kong.Name("vast-mcp"),
		kong.Description("Rent and run GPUs on Vast.ai from AI agents, over the Model Context Protocol."),
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(func(code int) { panic(helpShown(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.PostBuild(nameEnvironment),
	)
	if err != nil {
		return err
	}
	if err := checkEnvironment(parser.Model, os.Environ()); err != nil {
		return &exit{exitUsage, err}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return &exit{exitUsage, err}
	}
	s.globals = &cmd.globals
	s.log = slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: cmd.LogLevel}))
	for _, flag := range parsed.Model.Flags {
		set, typed := given(parsed, flag)
		if set {
			s.globals.given = append(s.globals.given, flag.Name)
		}
		if typed {
			s.globals.typed = append(s.globals.typed, flag.Name)
		}
	}
	if slices.Contains(s.globals.given, guard.LimitDefaultLease) && s.globals.DefaultLease > s.globals.MaxLease {
		return usage("--default-lease is longer than --max-lease: make it shorter, or leave it out")
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return parsed.Run(s)
}
