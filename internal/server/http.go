package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// HTTP says who is served over HTTP, and how.
type HTTP struct {
	Tokens      Tokens           // none: everybody who reaches the address is "local"
	Certificate *tls.Certificate // nil: plain HTTP

	// Wrap goes around the protocol, inside every check; only a test suite has
	// one. nil adds nothing.
	Wrap func(http.Handler) http.Handler

	// Unasked offers a stream for what comes unasked. Nothing of ours does, and
	// the library would send progress there instead of where it is waited for;
	// only a test suite asks for it.
	Unasked bool
}

const (
	headersWithin = 10 * time.Second
	requestWithin = 30 * time.Second // headers and body
	connIdle      = 2 * time.Minute
	maxHeaders    = 32 << 10
	sweepEvery    = time.Minute
	lastAnswers   = 500 * time.Millisecond // for calls that were cut short to say so
)

// ServeHTTP speaks MCP over streamable HTTP to whoever connects to l, until ctx
// ends. Calls in flight get a moment to finish; one that spends runs to its
// written outcome. It closes l.
func (a *App) ServeHTTP(ctx context.Context, l net.Listener, h HTTP) error {
	// What hangs on the base context is cut when the grace is over; what only
	// listens is cut at once.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	handler, open := a.handler(ctx, h)
	srv := &http.Server{
		Handler: handler, BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headersWithin, ReadTimeout: requestWithin, IdleTimeout: connIdle, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(a.config.Log.Handler(), slog.LevelDebug),
	}
	if h.Certificate != nil {
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*h.Certificate}, NextProtos: []string{"h2", "http/1.1"}}
		l = tls.NewListener(l, srv.TLSConfig)
	}
	go a.sweep(base, open)
	defer a.endLeases(ctx)()
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err := within(base, grace, srv.Shutdown)
	if errors.Is(err, context.DeadlineExceeded) {
		a.runner.Stop()
		err = within(base, lastAnswers, srv.Shutdown)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		cut()
		err = srv.Close()
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// within calls f with so much time.
func within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}

// handler is everything between a connection and the protocol, outermost first.
func (a *App) handler(ctx context.Context, h HTTP) (http.Handler, *sessions) {
	open := newSessions(a.config.Clock.Now)
	transport := server.NewStreamableHTTPServer(a.MCP(),
		server.WithSessionIdManagerResolver(open),
		server.WithDisableStreaming(!h.Unasked),
		server.WithDisableLocalhostProtection(true),                    // sameSite does it
		server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler)), // it logs session ids
	)
	open.end = func(id string) { forget(context.WithoutCancel(ctx), transport, id) }
	protocol := streamed(untilStopped(ctx, transport))
	if h.Wrap != nil {
		protocol = h.Wrap(protocol)
	}
	inside := h.Tokens.admit(screen{next: open.guard(protocol), unasked: h.Unasked})
	return hurried(a.config.Clock.Now, sameSite(route(inside))), open
}

// untilStopped ends streams that only listen when the server stops: nothing
// would ever end them else.
func untilStopped(stop context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Header.Get("Mcp-Method") != "subscriptions/listen" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("X-Accel-Buffering", "no")
		listening, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		next.ServeHTTP(w, r.WithContext(listening)) //nolint:contextcheck // it is the request's own, ended earlier
	})
}

// sweep ends idle sessions now and then.
func (a *App) sweep(ctx context.Context, open *sessions) {
	for a.config.Clock.Sleep(ctx, sweepEvery) == nil {
		open.sweep()
	}
}
