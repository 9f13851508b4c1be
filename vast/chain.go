package vast

import (
	"context"
	"net/http"
	"net/url"
)

// call is one call of an operation, ready to be sent.
type call struct {
	op     Operation
	path   string
	query  url.Values
	body   []byte // nil for a GET
	header http.Header
	urgent bool // goes ahead of those that are not
}

// answer is what came back, read to its end.
type answer struct {
	status    int
	header    http.Header
	body      []byte
	truncated bool
}

// exchange sends a call and returns its answer. Its error is an *Error.
type exchange func(context.Context, call) (answer, error)

// chain assembles the way of every call. The order matters:
//
//   - authorize is outermost: without a key nothing below may even wait;
//   - retry repeats all that follows, so each try waits its turn again;
//   - check judges each answer, as retry decides by the *Error it makes;
//   - throttle is as near to the wire as possible, as its gaps are gaps
//     between requests that are really sent;
//   - the wire sends once.
func chain(c config, w *wire, clean redactor) exchange {
	send := throttle(c.pace, c.clock, w.send)
	send = check(clean, c.logger, send)
	send = retry(c.clock, c.logger, send)
	return authorize(c.key, send)
}
