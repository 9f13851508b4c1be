package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// faultBox holds the faults still to strike in this process.
type faultBox struct {
	mu     sync.Mutex
	faults []Fault
}

func (b *faultBox) add(faults ...Fault) error {
	for i := range faults {
		if err := faults[i].check(); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range faults {
		f.Count = cmp.Or(f.Count, 1)
		b.faults = append(b.faults, f)
	}
	return nil
}

// take uses up one strike of the first fault of an operation; the zero Fault
// where there is none. The first that is still to let a request by does.
func (b *faultBox) take(op, when string) Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.faults, func(f Fault) bool { return (f.Op == op || f.Op == anyOp) && f.When == when })
	if i < 0 {
		return Fault{}
	}
	if b.faults[i].Skip > 0 {
		b.faults[i].Skip--
		return Fault{}
	}
	f := b.faults[i]
	if b.faults[i].Count--; b.faults[i].Count == 0 {
		b.faults = slices.Delete(b.faults, i, i+1)
	}
	return f
}

// strike delays, and tells whether the fault's answer goes out instead of the
// real one. A request that was given up meanwhile has no effect any more.
func (f Fault) strike(ctx context.Context) bool {
	err := pause(ctx, time.Duration(f.DelayMS)*time.Millisecond)
	if f.Drop || f.LateMS > 0 || (err != nil && f.DelayMS > 0) {
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	return f.Status != 0 || f.Redirect != ""
}

// answer is the fault's, in the shape in which the API, or the proxy before
// it, fails. id is for who wants to name an instance.
func (f Fault) answer(id int64) answer {
	switch {
	case f.Redirect != "":
		return answer{status: cmp.Or(f.Status, http.StatusTemporaryRedirect), header: http.Header{"Location": {f.Redirect}}, kind: "text/html", body: []byte(f.Body)}
	case f.Body != "":
		a := answer{status: f.Status, kind: "text/plain", body: []byte(strings.ReplaceAll(f.Body, "{id}", strconv.FormatInt(id, 10)))}
		if trimmed := bytes.TrimSpace(a.body); bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")) {
			a.kind = jsonType
		}
		return a
	}
	switch f.Status {
	case http.StatusTooManyRequests:
		return tooMany(limitWindow, "API requests too frequent")
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		text := http.StatusText(f.Status)
		return answer{status: f.Status, kind: "text/html", body: fmt.Appendf(nil, "<html><body><h1>%d %s</h1></body></html>\n", f.Status, text)}
	default:
		a := reply(outcome{Success: f.Status < 300, Error: "server_error", Msg: "The sandbox was told to fail."})
		a.status = f.Status
		return a
	}
}
