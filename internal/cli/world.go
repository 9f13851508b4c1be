package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// pace is how long calls may take: an MCP client gives up after a minute, a
// script waits longer.
type pace struct {
	answer, order time.Duration
	lives         bool // long enough to end leases; what does not is a command, whose terminal may be asked
}

func mcpPace() pace { return pace{answer: 45 * time.Second, order: 20 * time.Second, lives: true} }

// reapPace is that of a command that does nothing but end leases.
func reapPace() pace { return pace{answer: 45 * time.Second, order: 20 * time.Second, lives: true} }
func callPace() pace { return pace{answer: 110 * time.Second, order: 60 * time.Second} }

const (
	livePoll    = 10 * time.Second
	sandboxPoll = 500 * time.Millisecond

	liveLeases    = time.Minute
	sandboxLeases = 5 * time.Second // where the market's time runs ten times as fast
)

// app assembles the server that the globals describe. It opens and sends
// nothing.
func (s *session) app(p pace) (*server.App, error) {
	c, err := s.config(p)
	if err != nil {
		return nil, err
	}
	app, err := server.New(c)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	return app, nil
}

// config is what the server is assembled from.
func (s *session) config(p pace) (server.Config, error) {
	dir, err := s.globals.stateDir()
	if err != nil {
		return server.Config{}, &exit{exitUsage, err}
	}
	clock := vast.SystemClock{}
	c := server.Config{
		Version: s.version, Clock: clock, Log: s.log, Policy: s.globals.policy(), Mode: guard.Mode(s.globals.Approve),
		Selection: s.globals.selection(), Sandbox: s.globals.Sandbox,
		Worker: worker(), Ended: workerEnded, ApproveCommand: s.approveCommand, AnswerWithin: p.answer, OrderWithin: p.order, IdleAfter: s.globals.IdleAfter,
		Key: sync.OnceValues(func() ([]byte, error) { return stateKey(dir) }),
	}
	if c.Journal, err = s.globals.journal(); err != nil {
		return server.Config{}, err
	}
	if s.globals.Sandbox {
		err = s.sandboxWorld(&c, dir)
	} else {
		err = s.liveWorld(&c)
	}
	if !p.lives {
		c.EnforceEvery, c.Confirm = 0, confirm
	}
	return c, err
}

// approveCommand is the command line that approves a quote by its code or ID, as
// it must be typed to reach the same journal.
func (s *session) approveCommand(name string) string {
	return "vast-mcp approve " + name + s.journalFlags()
}

// callCommand is the command line that calls a tool, as it must be typed to
// reach the same account and journal.
func (s *session) callCommand(tool, args string) string {
	command := "vast-mcp call " + tool + " " + shellQuote(args)
	if s.globals.Sandbox {
		command += " --sandbox"
	}
	if s.globals.APIKeyFile != "" {
		command += " --api-key-file " + shellQuote(s.globals.APIKeyFile)
	}
	return command + s.journalFlags()
}

// journalFlags are the flags that lead to the same journal.
func (s *session) journalFlags() (flags string) {
	if s.globals.StateDir != "" {
		flags += " --state-dir " + shellQuote(s.globals.StateDir)
	}
	if s.globals.JournalURLFile != "" {
		flags += " --journal-url-file " + shellQuote(s.globals.JournalURLFile)
	}
	return flags
}

func shellQuote(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:\\") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func (s *session) liveWorld(c *server.Config) error {
	if s.globals.SandboxSpeed != 0 || s.globals.SandboxFresh {
		return usage("--sandbox-speed and --sandbox-fresh need --sandbox: without it the real market is meant")
	}
	key, from, err := s.globals.apiKey()
	if err != nil {
		return &exit{exitUsage, err}
	}
	opts := []vast.Option{vast.WithUserAgent("vast-mcp/" + s.version), vast.WithLogger(s.log), vast.WithPace(vast.LivePace())}
	if url := os.Getenv("VAST_URL"); url != "" {
		opts = append(opts, vast.WithBaseURL(url))
	}
	c.Fingerprint, c.PollEvery = fingerprint(key), livePoll
	c.Session = filepath.Base(from) == sessionKeyFile
	c.EnforceEvery = liveLeases
	if c.Client, err = vast.NewClient(key, opts...); err != nil {
		return usage("VAST_URL: %w", err)
	}
	return nil
}

func (s *session) sandboxWorld(c *server.Config, dir string) error {
	for _, name := range []string{"VAST_URL", "VAST_API_KEY"} {
		if os.Getenv(name) != "" {
			_, _ = fmt.Fprintf(s.stderr, "vast-mcp: --sandbox is on, so %s is not used\n", name)
		}
	}
	market, err := s.openMarket(sandbox.Options{}, dir)
	if err != nil {
		return err
	}
	c.PollEvery, c.EnforceEvery = sandboxPoll, sandboxLeases
	c.Client, err = vast.NewClient(market.Key(), vast.WithBaseURL(market.Origin()), vast.WithTransport(market.Transport()), vast.WithLogger(s.log))
	return err
}

// openMarket opens the one simulated market of the state folder.
func (s *session) openMarket(o sandbox.Options, dir string) (*sandbox.Market, error) {
	o.Dir, o.Speed, o.Fresh = filepath.Join(dir, "sandbox"), s.globals.SandboxSpeed, s.globals.SandboxFresh
	if o.Fresh {
		if err := removeJournal(filepath.Join(o.Dir, "journal.db")); err != nil {
			return nil, err
		}
	}
	return sandbox.Open(o)
}

// removeJournal deletes a sandbox's journal together with its side files.
func removeJournal(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
