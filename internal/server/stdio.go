package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/vast"
)

const (
	// workers is how many calls run at once: with few, some that wait for a
	// person would block all others.
	workers = 64
	// grace is what calls in flight get when the input ends.
	grace = 2 * time.Second
)

// ServeStdio speaks MCP over in and out until in ends or ctx does. Calls in
// flight get a moment to finish; one that spends runs to its written outcome.
func (a *App) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	std := server.NewStdioServer(a.MCP())
	server.WithWorkerPoolSize(workers)(std)
	std.SetErrorLogger(slog.NewLogLogger(a.config.Log.Handler(), slog.LevelWarn))
	// The library cancels every call the moment its input ends, so its input
	// ends only when the calls are done: see pipe.
	p := newPipe(ctx, in, out, a.config.Clock)
	defer a.endLeases(ctx)()
	err := std.Listen(context.WithoutCancel(ctx), p, p)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// pipe notes the requests that pass in and the answers that pass out, and holds
// back the end of input while any is in flight.
type pipe struct {
	ctx   context.Context //nolint:containedctx // ends the input, as a closed stdin does
	lines chan []byte
	out   io.Writer
	clock vast.Clock

	writing sync.Mutex // the library's questions bypass its own lock

	rest []byte // of the line that is being read

	mu        sync.Mutex
	inFlight  map[string]bool // by the id of the request
	cancelled map[string]bool // of those
	idle      chan struct{}   // closed when nothing is in flight
}

func newPipe(ctx context.Context, in io.Reader, out io.Writer, clock vast.Clock) *pipe {
	p := &pipe{ctx: ctx, lines: make(chan []byte), out: out, clock: clock, inFlight: map[string]bool{}, cancelled: map[string]bool{}, idle: make(chan struct{})}
	close(p.idle)
	go p.pump(in)
	return p
}

// pump reads lines until the input ends. An unterminated last line is a
// message too.
func (p *pipe) pump(in io.Reader) {
	defer close(p.lines)
	reader := bufio.NewReader(in)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if line[len(line)-1] != '\n' {
				line = append(line, '\n')
			}
			select {
			case p.lines <- line:
			case <-p.ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Read hands out one line at a time. It is called by one goroutine.
func (p *pipe) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		select {
		case line, more := <-p.lines:
			if !more {
				return 0, p.drain()
			}
			p.pass(line, true)
			p.rest = line
		case <-p.ctx.Done():
			return 0, p.drain()
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Write passes one message on. An answer to a request that was cancelled is
// dropped: its client no longer knows it.
func (p *pipe) Write(b []byte) (int, error) {
	if p.drop(b) {
		return len(b), nil
	}
	p.writing.Lock()
	n, err := p.out.Write(b)
	p.writing.Unlock()
	p.pass(b, false)
	return n, err
}

// envelope is what of a message tells requests, answers and cancellations
// apart.
type envelope struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		RequestID json.RawMessage `json:"requestId"`
	} `json:"params"`
}

// pass notes a request going in or an answer going out: both have an id, and
// only requests have a method.
func (p *pipe) pass(line []byte, in bool) {
	var m envelope
	if json.Unmarshal(line, &m) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch id := string(m.ID); {
	case in && m.Method == "notifications/cancelled":
		if of := string(m.Params.RequestID); p.inFlight[of] {
			p.cancelled[of] = true
		}
	case id == "" || (m.Method != "") != in:
	case in:
		p.note(id, true)
	default:
		p.note(id, false)
	}
}

// note keeps idle in step with what is in flight.
func (p *pipe) note(id string, here bool) {
	before := len(p.inFlight)
	if here {
		p.inFlight[id] = true
	} else {
		delete(p.inFlight, id)
	}
	switch after := len(p.inFlight); {
	case before == 0 && after > 0:
		p.idle = make(chan struct{})
	case before > 0 && after == 0:
		close(p.idle)
	}
}

// drop reports whether the message answers a cancelled request.
func (p *pipe) drop(line []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cancelled) == 0 {
		return false
	}
	var m envelope
	if json.Unmarshal(line, &m) != nil || m.Method != "" || !p.cancelled[string(m.ID)] {
		return false
	}
	delete(p.cancelled, string(m.ID))
	p.note(string(m.ID), false)
	return true
}

// drain waits for the answers in flight, for a moment, and ends the input.
func (p *pipe) drain() error {
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	patience, cancel := context.WithCancel(context.WithoutCancel(p.ctx))
	defer cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = p.clock.Sleep(patience, grace)
	}()
	select {
	case <-idle:
	case <-over:
	}
	return io.EOF
}
