package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
)

// serveHTTP serves the rig's app on a port of its own until the test ends, and
// returns its URL.
func serveHTTP(t *testing.T, r *rig.Rig, h server.HTTP) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.App.ServeHTTP(ctx, l, h) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	if h.Certificate != nil {
		return "https://" + l.Addr().String() + "/mcp"
	}
	return "http://" + l.Addr().String() + "/mcp"
}

// httpLink turns lines into posts, and answers and streams into lines.
type httpLink struct {
	t       *testing.T
	url     string
	by      way
	client  *http.Client
	lines   *io.PipeWriter
	posting sync.WaitGroup

	mu      sync.Mutex // one message at a time
	session string
}

// overHTTP connects the client to an HTTP server.
func (w *wire) overHTTP(url string, by way) *httpLink {
	in, lines := io.Pipe()
	link := &httpLink{t: w.t, url: url, by: by, client: newHTTPClient(w.t), lines: lines}
	w.out, w.in = link, bufio.NewReader(in)
	w.close = sync.OnceFunc(func() {
		_ = in.Close() // nobody reads what still comes
		link.posting.Wait()
	})
	w.t.Cleanup(w.close)
	return link
}

func newHTTPClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Write posts one message. What comes back is read in the background.
func (l *httpLink) Write(line []byte) (int, error) {
	resp, err := l.client.Do(l.request(line))
	if err != nil {
		return 0, err
	}
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		l.session = id
	}
	l.posting.Go(func() { l.receive(resp) })
	return len(line), nil
}

// request is the line as a post with the headers that its version asks for.
func (l *httpLink) request(line []byte) *http.Request {
	req, err := http.NewRequestWithContext(context.WithoutCancel(l.t.Context()), http.MethodPost, l.url, strings.NewReader(string(line)))
	require.NoError(l.t, err)
	var m struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
			URI  string `json:"uri"`
		} `json:"params"`
	}
	require.NoError(l.t, json.Unmarshal(line, &m))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if m.Method != "initialize" {
		req.Header.Set("Mcp-Protocol-Version", l.by.version)
	}
	if l.session != "" {
		req.Header.Set("Mcp-Session-Id", l.session)
	}
	if l.by.token != "" {
		req.Header.Set("Authorization", "Bearer "+l.by.token)
	}
	if l.by.version >= "2026" {
		req.Header.Set("Mcp-Method", m.Method)
		if name := m.Params.Name + m.Params.URI; name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	}
	return req
}

func (l *httpLink) receive(resp *http.Response) {
	defer func() { _ = resp.Body.Close() }()
	body := bufio.NewScanner(resp.Body)
	body.Buffer(nil, 1<<20)
	for body.Scan() {
		line, isData := strings.CutPrefix(body.Text(), "data: ")
		if !isData && resp.Header.Get("Content-Type") != "application/json" || line == "" {
			continue
		}
		l.mu.Lock()
		_, _ = io.WriteString(l.lines, line+"\n") // fails when the test has ended
		l.mu.Unlock()
	}
}
