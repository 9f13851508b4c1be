package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
	"vast-mcp/rental"
)

// pipes is a listener whose connections are pipes, so that all waiting is on a
// clock that tests own.
type pipes struct {
	coming chan net.Conn
	closed chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

// Accept waits for a connection.
func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.coming:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (p pipes) Close() error { close(p.closed); return nil }

// Addr is no address.
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.coming <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// bubble is a server in a bubble of time.
type bubble struct {
	t      *testing.T
	r      *rig.Rig
	l      pipes
	client *http.Client
	stop   func() // ends the server and waits for it
}

// inBubble serves a rig's app over pipes; nothing in it waits for real.
func inBubble(t *testing.T, h server.HTTP, test func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		b := &bubble{t: t, r: r, l: newPipes()}
		transport := &http.Transport{DialContext: b.l.dial}
		b.client = &http.Client{Transport: transport}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- r.App.ServeHTTP(ctx, b.l, h) }()
		b.stop = sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-ended)
		})
		defer b.stop()
		defer transport.CloseIdleConnections()
		test(b)
	})
}

// post sends a message in a session and returns the status and the session
// that the answer opens.
func (b *bubble) post(session, body string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://pipe/mcp", strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/json")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := b.client.Do(req)
	require.NoError(b.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, resp.Body.Close())
	return resp.StatusCode, resp.Header.Get("Mcp-Session-Id")
}

// TestSessionsAreFewAndEnd: the library would keep each for ever.
func TestSessionsAreFewAndEnd(t *testing.T) {
	inBubble(t, server.HTTP{}, func(b *bubble) {
		t := b.t // of the bubble
		_, kept := b.post("", initialize)
		_, oldest := b.post("", initialize)
		for i := range 10_000 {
			status, id := b.post("", initialize)
			require.Equal(t, http.StatusOK, status)
			require.NotEmpty(t, id)
			if i%500 == 0 {
				<-time.After(time.Second)
				status, _ := b.post(kept, listTools)
				require.Equal(t, http.StatusOK, status, "a session in use does not end for a new one")
			}
		}
		status, _ := b.post(oldest, listTools)
		require.Equal(t, http.StatusNotFound, status)
		<-time.After(40 * time.Minute)
		status, _ = b.post(kept, listTools)
		require.Equal(t, http.StatusNotFound, status, "an idle session ends")
	})
}

// TestASlowLorisIsCutOff: a client that sends its request a byte at a time.
func TestASlowLorisIsCutOff(t *testing.T) {
	for name, sent := range map[string]string{
		"in the headers": "POST /mcp HTTP/1.1\r\nHost: pipe\r\n",
		"in the body":    "POST /mcp HTTP/1.1\r\nHost: pipe\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, server.HTTP{}, func(b *bubble) {
				t := b.t // of the bubble
				conn, err := b.l.dial(t.Context(), "", "")
				require.NoError(t, err)
				_, err = io.WriteString(conn, sent)
				require.NoError(t, err)
				began := time.Now()
				_, err = io.Copy(io.Discard, conn)
				require.NoError(t, err, "the server hangs up")
				require.LessOrEqual(t, time.Since(began), time.Minute)
				require.NoError(t, conn.Close())
			})
		})
	}
}

// TestAStopDoesNotHangOnAStream: a stream of what may change never ends by
// itself.
func TestAStopDoesNotHangOnAStream(t *testing.T) {
	listen := func(b *bubble) *http.Request {
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://pipe/mcp", strings.NewReader(
			`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
		require.NoError(b.t, err)
		for name, value := range map[string]string{"Content-Type": "application/json", "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"} {
			req.Header.Set(name, value)
		}
		return req
	}
	get := func(b *bubble) *http.Request {
		_, session := b.post("", initialize)
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://pipe/mcp", http.NoBody)
		require.NoError(b.t, err)
		req.Header.Set("Mcp-Session-Id", session)
		return req
	}
	for name, request := range map[string]func(*bubble) *http.Request{"of a modern client": listen, "of an older client": get} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, server.HTTP{Unasked: true}, func(b *bubble) {
				t := b.t // of the bubble
				resp, err := b.client.Do(request(b))
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
				go func() { _, _ = io.Copy(io.Discard, resp.Body) }() // a client reads
				<-time.After(10 * time.Minute)
				began := time.Now()
				b.stop()
				require.Less(t, time.Since(began), time.Second)
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

// TestAClientThatDoesNotReadIsGivenUp: it must not hold its answer for ever,
// whether it may come in or not.
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	for name, h := range map[string]server.HTTP{"one that may come in": {}, "one without a token": annAndBob(t)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, h, func(b *bubble) {
				t := b.t // of the bubble
				conn, err := b.l.dial(t.Context(), "", "")
				require.NoError(t, err)
				_, err = fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: pipe\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(initialize), initialize)
				require.NoError(t, err)
				<-time.After(10 * time.Minute)
				answer, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Empty(t, answer, "the answer was waiting all the time")
				require.NoError(t, conn.Close())
			})
		})
	}
}

// TestAStopAnswersCallsInFlight: a client that hears nothing waits for a minute.
func TestAStopAnswersCallsInFlight(t *testing.T) {
	inBubble(t, server.HTTP{}, func(b *bubble) {
		t := b.t // of the bubble
		id := rent(t, b.r, rental.OnExpiryStop)
		_, session := b.post("", initialize)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pipe/mcp", strings.NewReader(
			fmt.Sprintf(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"wait_for_instance","arguments":{"instance_id":%d,"until":"gone","timeout_seconds":45}}}`, id)))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Mcp-Session-Id", session)
		answered := make(chan string, 1)
		go func() {
			resp, err := b.client.Do(req)
			if err != nil {
				answered <- err.Error()
				return
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			answered <- string(body)
		}()
		synctest.Wait()
		began := time.Now()
		b.stop()
		require.Less(t, time.Since(began), 4*time.Second)
		require.Contains(t, <-answered, `"reached":false`)
	})
}
