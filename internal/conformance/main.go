package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	mcpserver "github.com/mark3labs/mcp-go/server"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3900", "address to serve on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// serve says its URL on out and serves until ctx ends.
func serve(ctx context.Context, address string, out io.Writer) error {
	app, err := assemble(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return errors.Join(err, app.Close())
	}
	if _, err = fmt.Fprintf(out, "http://%s/mcp\n", l.Addr()); err != nil {
		return errors.Join(err, l.Close(), app.Close())
	}
	// The library asks older clients to sample on no other stream.
	return errors.Join(app.ServeHTTP(ctx, l, server.HTTP{Wrap: requireSampling, Unasked: true}), app.Close())
}

// assemble puts the server before a market in memory and adds the fixtures.
func assemble(log *slog.Logger) (*server.App, error) {
	market, err := sandbox.Open(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	client, err := vast.NewClient(market.Key(), vast.WithBaseURL(market.Origin()), vast.WithTransport(market.Transport()))
	if err != nil {
		return nil, err
	}
	key := []byte(rand.Text())
	clock := vast.SystemClock{}
	return server.New(server.Config{
		Version: "conformance", Client: client, Journal: journal.New("", clock.Now), Clock: clock, Log: log,
		Key:    func() ([]byte, error) { return key, nil },
		Policy: guard.Policy{DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour}, Mode: guard.Client, Sandbox: true,
		ApproveCommand: func(code string) string { return "vast-mcp approve " + code },
		AnswerWithin:   45 * time.Second, OrderWithin: 20 * time.Second, PollEvery: 500 * time.Millisecond,
		Fixtures: fixtures{key: key, clock: clock}.register,
		Options: []mcpserver.ServerOption{
			mcpserver.WithToolCapabilities(true), mcpserver.WithPromptCapabilities(true), mcpserver.WithResourceCapabilities(true, true),
			mcpserver.WithLogging(),
		},
	})
}

// fixtures are what the suite looks for beside the real tools.
type fixtures struct {
	key   []byte // signs the state of questions
	clock vast.Clock
}

func (f fixtures) register(s *mcpserver.MCPServer) {
	addContents(s)
	addResources(s)
	addPrompts(s)
	f.addNotices(s)
	f.addQuestions(s)
}
