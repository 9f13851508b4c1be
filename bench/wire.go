package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	legacy = "2025-11-25"
	modern = "2026-07-28"
	hello  = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + legacy + `","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	ready  = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	meta   = `{"io.modelcontextprotocol/protocolVersion":"` + modern + `","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`
)

// request is a call of one tool; arguments is JSON.
type request struct{ tool, arguments string }

func (r request) message(id int64, version string) string {
	also := ""
	if version == modern {
		also = `,"_meta":` + meta
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s%s}}`, id, r.tool, r.arguments, also)
}

// check fails when the message is not the result of a tool that went well.
func check(message []byte) error {
	if !bytes.Contains(message, []byte(`"result"`)) || bytes.Contains(message, []byte(`"isError":true`)) {
		return fmt.Errorf("a call failed: %s", message)
	}
	return nil
}

// pipe lets several clients share the streams of one process.
type pipe struct {
	p    *process
	last atomic.Int64

	mu      sync.Mutex // of in, and of waiting
	waiting map[int64]chan []byte
	ended   error
}

// overStdio shakes hands and returns n lanes that share the process.
func overStdio(p *process, r request, n int) ([]lane, error) {
	if err := p.ask(hello); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(p.in, ready+"\n"); err != nil {
		return nil, err
	}
	shared := &pipe{p: p, waiting: map[int64]chan []byte{}}
	shared.last.Store(1)
	go shared.read(p.out)
	lanes := make([]lane, n)
	for i := range lanes {
		lanes[i] = func(context.Context) error { return shared.call(r) }
	}
	return lanes, nil
}

func (s *pipe) call(r request) error {
	id, came := s.last.Add(1), make(chan []byte, 1)
	s.mu.Lock()
	ended := s.ended
	s.waiting[id] = came
	_, err := io.WriteString(s.p.in, r.message(id, legacy)+"\n")
	s.mu.Unlock()
	if err = errors.Join(ended, err); err != nil {
		return err
	}
	line, ok := <-came
	if !ok {
		return io.ErrUnexpectedEOF
	}
	return check(line)
}

// read hands each answer to the call that waits for it.
func (s *pipe) read(out *bufio.Reader) {
	for {
		line, err := out.ReadBytes('\n')
		var m struct{ ID int64 }
		if err == nil {
			err = json.Unmarshal(line, &m)
		}
		s.mu.Lock()
		if err != nil {
			s.ended = err
			for _, came := range s.waiting {
				close(came)
			}
			s.mu.Unlock()
			return
		}
		s.waiting[m.ID] <- line
		delete(s.waiting, m.ID)
		s.mu.Unlock()
	}
}

// session is one client over HTTP, with a connection of its own.
type session struct {
	client  *http.Client
	url     string
	headers http.Header
	last    int64
}

// overHTTP returns n lanes, each a client with a connection of its own.
func overHTTP(ctx context.Context, url, version string, r request, n int) ([]lane, error) {
	lanes := make([]lane, n)
	for i := range lanes {
		s, err := dial(ctx, url, version)
		if err != nil {
			return nil, err
		}
		s.headers.Set("Mcp-Method", "tools/call")
		s.headers.Set("Mcp-Name", r.tool)
		lanes[i] = func(ctx context.Context) error {
			s.last++
			answer, err := s.post(ctx, r.message(s.last, version))
			if err != nil {
				return err
			}
			return check(answer)
		}
	}
	return lanes, nil
}

// dial opens a session where the version has any.
func dial(ctx context.Context, url, version string) (*session, error) {
	s := &session{client: &http.Client{Transport: &http.Transport{}}, url: url, last: 1, headers: http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {version},
	}}
	if version == modern {
		return s, nil
	}
	if _, err := s.post(ctx, hello); err != nil {
		return nil, err
	}
	_, err := s.post(ctx, ready)
	return s, err
}

func (s *session) post(ctx context.Context, message string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(message))
	if err != nil {
		return nil, err
	}
	req.Header = s.headers
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		s.headers.Set("Mcp-Session-Id", id)
	}
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return answer, err
}
