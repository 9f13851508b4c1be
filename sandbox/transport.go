package sandbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// transport serves requests in the caller's goroutine, without a socket.
type transport struct{ m *Market }

// Transport returns a round-tripper that is answered by the market in this
// process, whatever host is asked. A dropped answer is the error of a reset
// connection, and a context that ends meanwhile is its own error.
func (m *Market) Transport() http.RoundTripper { return transport{m} }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (res *http.Response, err error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	rec := &recorder{header: http.Header{}}
	defer func() {
		if cause := recover(); cause != nil {
			res, err = nil, failure(cause)
		}
		if ended := req.Context().Err(); ended != nil {
			res, err = nil, ended
		}
	}()
	t.m.ServeHTTP(rec, incoming(req))
	return rec.response(req), nil
}

// incoming is the request as a server on this machine would see it.
func incoming(req *http.Request) *http.Request {
	in := req.Clone(req.Context())
	in.Host = cmp.Or(req.Host, req.URL.Host)
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// failure is what a client sees of a handler that panicked.
func failure(cause any) error {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return fmt.Errorf("sandbox: the handler panicked: %v", cause)
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = cmp.Or(r.status, status) }

func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorder) response(req *http.Request) *http.Response {
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)),
		StatusCode:    r.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        r.header,
		Body:          io.NopCloser(&r.body),
		ContentLength: int64(r.body.Len()),
		Request:       req,
	}
}
