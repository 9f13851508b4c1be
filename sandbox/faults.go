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

const (
	beforeEffect = "before"
	afterEffect  = "after"
)

// Fault is a piece of bad weather: what goes wrong with an operation, before
// it takes effect or after. A fault that only delays lets the answer through.
type Fault struct {
	Op      string `json:"op"`       // operation: create, list, get, …
	When    string `json:"when"`     // before or after the effect
	Status  int    `json:"status"`   // answered instead; 0: none
	Body    string `json:"body"`     // with Status; empty: what the API would say
	DelayMS int    `json:"delay_ms"` // of wall time, first
	Drop    bool   `json:"drop"`     // the connection breaks without an answer
	Count   int    `json:"count"`    // how many times; 0 means once
}

// faultOps are the operations that a fault can strike.
func faultOps() []string {
	ops := []string{"start", "stop", "label"}
	for _, r := range routes() {
		if r.op != "" {
			ops = append(ops, r.op)
		}
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// ParseFault reads "create:after:drop:1": operation, moment, what and how
// often. What is drop, a status, or delay= and milliseconds of wall time.
func ParseFault(s string) (Fault, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 && len(parts) != 4 {
		return Fault{}, fmt.Errorf("fault %q: give op:when:what:count, such as create:after:drop:1", s)
	}
	f := Fault{Op: parts[0], When: parts[1], Count: 1}
	what := parts[2]
	var err error
	if delay, ok := strings.CutPrefix(what, "delay="); ok {
		f.DelayMS, err = strconv.Atoi(delay)
	} else if what == "drop" {
		f.Drop = true
	} else {
		f.Status, err = strconv.Atoi(what)
	}
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: what is drop, a status such as 502, or delay=MILLISECONDS, not %q", s, what)
	}
	if len(parts) == 4 {
		if f.Count, err = strconv.Atoi(parts[3]); err != nil || f.Count < 1 {
			return Fault{}, fmt.Errorf("fault %q: count is a number from 1, not %q", s, parts[3])
		}
	}
	if err := f.check(); err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", s, err)
	}
	return f, nil
}

// maxDelay keeps milliseconds from overflowing.
const maxDelay = int(24 * time.Hour / time.Millisecond)

func (f Fault) check() error {
	switch {
	case !slices.Contains(faultOps(), f.Op):
		return fmt.Errorf("op is one of %s, not %q", strings.Join(faultOps(), ", "), f.Op)
	case f.When != beforeEffect && f.When != afterEffect:
		return fmt.Errorf("when is before or after, not %q", f.When)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status is from 200 to 599, not %d", f.Status)
	case f.DelayMS < 0 || f.DelayMS > maxDelay:
		return fmt.Errorf("delay is from 0 to %d milliseconds, not %d", maxDelay, f.DelayMS)
	case f.Count < 0:
		return fmt.Errorf("count is a number from 1, not %d", f.Count)
	case f.Status == 0 && f.DelayMS == 0 && !f.Drop:
		return fmt.Errorf("what is drop, a status such as 502, or a delay: it says none")
	}
	return nil
}

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
// where there is none.
func (b *faultBox) take(op, when string) Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.faults, func(f Fault) bool { return f.Op == op && f.When == when })
	if i < 0 {
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
	if f.Drop || (err != nil && f.DelayMS > 0) {
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	return f.Status != 0
}

// answer is the fault's, in the shape in which the API, or the proxy before
// it, fails.
func (f Fault) answer() answer {
	if f.Body != "" {
		a := answer{status: f.Status, kind: "text/plain", body: []byte(f.Body)}
		if trimmed := bytes.TrimSpace(a.body); bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")) {
			a.kind = jsonType
		}
		return a
	}
	switch f.Status {
	case http.StatusTooManyRequests:
		return tooMany(limitWindow)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		text := http.StatusText(f.Status)
		return answer{status: f.Status, kind: "text/html", body: fmt.Appendf(nil, "<html><body><h1>%d %s</h1></body></html>\n", f.Status, text)}
	default:
		a := reply(outcome{Success: f.Status < 300, Error: "server_error", Msg: "The sandbox was told to fail."})
		a.status = f.Status
		return a
	}
}
