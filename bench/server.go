package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"vast-mcp/guard"
	"vast-mcp/internal/server"
	"vast-mcp/journal"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// servingArg makes this program the server that is measured: the assembled one,
// before an API in memory that costs next to nothing.
const servingArg = "serve"

func serving(args []string) bool { return len(args) == 4 && args[1] == servingArg }

// serve serves over stdio or http, before an API that answers a search with so
// many offers.
func serve(ctx context.Context, args []string) error {
	offers, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	app, err := assemble(offers)
	if err != nil {
		return err
	}
	if args[0] == "stdio" {
		return errors.Join(app.ServeStdio(ctx, os.Stdin, os.Stdout), app.Close())
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/mcp\n", l.Addr())
	return errors.Join(app.ServeHTTP(ctx, l, server.HTTP{}), app.Close())
}

func assemble(offers int) (*server.App, error) {
	market, err := sandbox.Open(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	client, err := vast.NewClient(market.Key(), vast.WithBaseURL(market.Origin()),
		vast.WithTransport(&recall{market: market.Transport(), offers: offers, answers: map[string]answer{}}))
	if err != nil {
		return nil, err
	}
	clock := vast.SystemClock{}
	return server.New(server.Config{
		Version: "bench", Client: client, Journal: journal.New("", clock.Now), Clock: clock,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Key:    func() ([]byte, error) { return []byte("a key that hashes nothing here"), nil },
		Policy: guard.Policy{DefaultLease: time.Hour, MaxLease: time.Hour}, Mode: guard.Client, Sandbox: true,
		ApproveCommand: func(code string) string { return "vast-mcp approve " + code },
		AnswerWithin:   time.Minute, OrderWithin: time.Minute, PollEvery: time.Second,
	})
}

// recall is a market that answers what it was asked before as it did then, and
// a search with so many offers.
type recall struct {
	market http.RoundTripper
	offers int

	mu      sync.Mutex
	answers map[string]answer
}

type answer struct {
	header http.Header
	body   []byte
}

// RoundTrip answers from memory, or asks the market.
func (r *recall) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte{}
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	question := req.Method + req.URL.String() + string(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	a, known := r.answers[question]
	if !known {
		req.Body = io.NopCloser(bytes.NewReader(body))
		var err error
		if a, err = r.ask(req); err != nil {
			return nil, err
		}
		r.answers[question] = a
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: a.header.Clone(),
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

func (r *recall) ask(req *http.Request) (answer, error) {
	resp, err := r.market.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("%s answered %s", req.URL.Path, resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	var found map[string]any
	if err := json.Unmarshal(body, &found); err != nil {
		return answer{}, err
	}
	if all, ok := found["offers"].([]any); ok && len(all) > r.offers {
		found["offers"] = all[:r.offers]
		body, err = json.Marshal(found)
	}
	resp.Header.Del("Content-Length")
	return answer{resp.Header, body}, err
}
