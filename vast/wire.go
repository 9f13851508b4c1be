package vast

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	tryTimeout   = time.Minute
	dialTimeout  = 10 * time.Second
	maxBody      = 8 << 20
	maxErrorBody = 64 << 10
)

// wire sends one request and reads its answer.
type wire struct {
	origin    *url.URL
	userAgent string
	shared    *http.Client
	order     *http.Client // for operations that go out once
	objects   *http.Client // for what the API keeps elsewhere; never with the key
	own       bool         // the transports are ours, so their trace can be trusted
	date      atomic.Int64 // unix seconds of the newest answer, 0 before it
}

func newWire(c config) *wire {
	w := &wire{origin: c.origin, userAgent: c.userAgent, own: c.transport == nil}
	shared, order := c.transport, c.transport
	if w.own {
		shared, order = sharedTransport(), orderTransport()
	}
	w.shared = &http.Client{Transport: shared, Timeout: tryTimeout, CheckRedirect: sameOrigin}
	w.objects = &http.Client{Transport: shared, Timeout: tryTimeout, CheckRedirect: w.safeRedirect}
	w.order = &http.Client{Transport: order, Timeout: tryTimeout, CheckRedirect: noRedirect}
	return w
}

func sharedTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     90 * time.Second,
	}
}

// orderTransport opens a connection for each request and closes it after:
// net/http sends again by itself only what it lost on a used connection.
func orderTransport() *http.Transport {
	t := sharedTransport()
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}

// send makes one attempt. An error of it means that the answer is lost or
// that there was none.
func (w *wire) send(ctx context.Context, c call) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, lost(c.op, err, true)
	}
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	client := w.shared
	if c.op.Once {
		client = w.order
	}
	resp, err := client.Do(w.request(traced, c))
	if err != nil {
		return answer{}, lost(c.op, err, w.own && !connected.Load() || undialled(err))
	}
	defer func() { _ = resp.Body.Close() }()
	w.stamp(resp.Header)
	limit := int64(maxErrorBody)
	if resp.StatusCode/100 == 2 {
		limit = maxBody
	}
	body, truncated, err := readUpTo(resp.Body, limit)
	if err != nil {
		return answer{}, lost(c.op, err, false)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body, truncated: truncated}, nil
}

// request never fails: the origin was checked, and the method and the path
// come from the table of operations.
func (w *wire) request(ctx context.Context, c call) *http.Request {
	target := *w.origin
	target.Path, target.RawQuery = c.path, c.query.Encode()
	header := c.header.Clone()
	header.Set("Accept", "application/json")
	header.Set("User-Agent", w.userAgent)
	req := &http.Request{
		Method: c.op.Method, URL: &target, Host: target.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if c.body != nil {
		header.Set("Content-Type", "application/json")
		req.ContentLength = int64(len(c.body))
		body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }
		req.Body, _ = body()
		// Without GetBody net/http cannot send an order again, not even
		// where it believes that nothing was written.
		if !c.op.Once {
			req.GetBody = body
		}
	}
	return req.WithContext(ctx)
}

func (w *wire) stamp(header http.Header) {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		w.date.Store(date.Unix())
	}
}

// lost makes the error of a call without an answer.
func lost(op Operation, err error, notSent bool) *Error {
	return &Error{
		Op: op.Name, Code: Unavailable, Err: withoutURL(err),
		NotSent: notSent, Uncertain: op.Changes && !notSent,
	}
}

// withoutURL takes the address out of an error of net/http: it may be signed.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func undialled(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func readUpTo(r io.Reader, limit int64) (body []byte, truncated bool, err error) {
	body, err = io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], true, err
	}
	return body, false, err
}

// noRedirect hands a redirect back as the answer, which is then an error.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// sameOrigin follows one redirect of a GET, on the same origin, so that the
// key goes nowhere else and no write turns into a read.
func sameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 1 || first.Method != http.MethodGet || !equalOrigin(req.URL, first.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func equalOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }
