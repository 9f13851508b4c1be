package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	endpoint = "/mcp"
	health   = "/healthz"

	maxBody = 1 << 20
	// writeWithin is how long an answer may take to write, its making included.
	writeWithin = 3 * time.Minute
)

// refuse answers a request that never reaches the protocol, in its own terms.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": nil,
		"error": map[string]any{"code": mcp.INVALID_REQUEST, "message": fmt.Sprintf(format, args...)},
	})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Connection", "close") // nothing more of this request is read
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever hung up needs no answer
}

// route sends each exact path to its handler. Nothing is redirected or cleaned
// up: what is not spelled like this is not here.
func route(mcpEndpoint http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() {
		case endpoint:
			mcpEndpoint.ServeHTTP(w, r)
		case health:
			_, _ = io.WriteString(w, "ok\n")
		default:
			refuse(w, http.StatusNotFound, "MCP is served at %s", endpoint)
		}
	})
}

// sameSite refuses requests that a web page of somebody else makes a browser
// send: a foreign Origin, or a Host that is not this server, which is how a name
// that was rebound to this address gives itself away.
func sameSite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case repeated(r.Header) != "":
			refuse(w, http.StatusBadRequest, "the header %s is there twice", repeated(r.Header))
		case !hostFits(r):
			refuse(w, http.StatusForbidden, "the Host header does not name this server")
		case !originFits(r):
			refuse(w, http.StatusForbidden, "the Origin header names another site")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostFits knows what this server is called where it can know: a loopback
// address by loopback names, a certificate by the names in it.
func hostFits(r *http.Request) bool {
	host := hostName(r.Host)
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && IsLoopback(hostName(local.String())) {
		return IsLoopback(host)
	}
	if r.TLS != nil && r.TLS.ServerName != "" {
		return strings.EqualFold(r.TLS.ServerName, host)
	}
	return host != ""
}

// originFits reports whether the request comes from no web page, or from one of
// this very server.
func originFits(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	return len(origins) == 1 && (strings.EqualFold(origins[0], "http://"+r.Host) || strings.EqualFold(origins[0], "https://"+r.Host))
}

// repeated names a header that says two things, of those that say who asks for
// what.
func repeated(h http.Header) string {
	for _, name := range []string{"Authorization", "Origin", mcp.HeaderProtocolVersion, mcp.HeaderMethod, mcp.HeaderName, server.HeaderKeySessionID} {
		if len(h.Values(name)) > 1 {
			return name
		}
	}
	return ""
}

// hostName is an address without its port and brackets.
func hostName(address string) string {
	host, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		host = address
	}
	return strings.Trim(host, "[]")
}

// IsLoopback reports whether host, a name or an address without a port, can
// only be this machine.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// modern reports whether the request is of the protocol without sessions.
func modern(r *http.Request) bool {
	return mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion))
}

// screen takes in one whole message and refuses what the library would get
// wrong.
type screen struct {
	next    http.Handler
	unasked bool // a GET opens a stream
}

// ServeHTTP screens one request.
func (s screen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bound := r.Header.Get(server.HeaderKeySessionID) != ""
	switch {
	case bound && (r.Method == http.MethodDelete || r.Method == http.MethodGet && s.unasked):
		patient(w)
		s.next.ServeHTTP(w, r)
		return
	case r.Method == http.MethodDelete:
		refuse(w, http.StatusBadRequest, "the header %s is missing: which session?", server.HeaderKeySessionID)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "POST a message to %s", endpoint)
		return
	case r.ContentLength > maxBody:
		refuse(w, http.StatusRequestEntityTooLarge, "the message is larger than %d bytes", maxBody)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(w, http.StatusRequestEntityTooLarge, "the message is larger than %d bytes", maxBody)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the message did not arrive whole")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	m, err := parse(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	s.pass(w, r, m)
}

func (s screen) pass(w http.ResponseWriter, r *http.Request, m message) {
	sessionless := modern(r) || mcp.IsModernProtocol(m.Params.Meta.ProtocolVersion())
	switch {
	case sessionless && m.Method == mcp.MethodNotificationCancelled:
		// The library knows the requests of all callers without a session by
		// their numbers alone: one client could cancel another's call. A modern
		// client cancels by hanging up.
		w.WriteHeader(http.StatusAccepted)
		return
	case !sessionless && m.Method != mcp.MethodInitialize && r.Header.Get(server.HeaderKeySessionID) == "":
		refuse(w, http.StatusBadRequest, "the header %s is missing: initialize first", server.HeaderKeySessionID)
		return
	}
	if m.Method == mcp.MethodSubscriptionsListen {
		patient(w)
	}
	s.next.ServeHTTP(w, r)
}

// hurried limits how long writing an answer may take, so that a client that
// does not read cannot hold it for ever.
func hurried(now func() time.Time, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(now().Add(writeWithin)) // fails where there is no connection to protect
		next.ServeHTTP(w, r)
	})
}

// patient lifts that limit from a stream that lives as long as its client.
func patient(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}
