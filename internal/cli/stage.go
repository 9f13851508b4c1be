package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// stageSpeed lets what takes the market seconds take none here, and yet leaves a
// slow machine time to do something before a market minute is over.
const stageSpeed = 10

// stage is a market in memory that is served on this machine, so that several
// processes can meet there. The play turns its clock.
type stage struct {
	market *sandbox.Market
	door   *vast.Client // past the wire, to see what is there
	clock  *turnedClock
	url    string
	close  func() error

	mu     sync.Mutex
	orders []string // the nonces of those that came over the wire
	lost   int      // connections that broke before the answer
}

// openStage opens the market and serves it until it is closed.
func openStage(ctx context.Context) (*stage, error) {
	st := &stage{clock: &turnedClock{}}
	var err error
	if st.market, err = sandbox.Open(sandbox.Options{Speed: stageSpeed, Now: st.clock.Now}); err != nil {
		return nil, err
	}
	st.door, err = vast.NewClient(st.market.Key(), vast.WithBaseURL(st.market.Origin()), vast.WithTransport(st.market.Transport()))
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the market cannot be served on this machine: %w", err)
	}
	st.url = "http://" + listener.Addr().String()
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- serve(serving, &http.Server{Handler: st, ReadHeaderTimeout: 10 * time.Second}, listener)
	}()
	st.close = func() error {
		cancel()
		return <-ended
	}
	return st, nil
}

// ServeHTTP is the market, which notes the orders that come in.
func (st *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/api/v0/asks/") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var order struct {
			Label string `json:"label"`
		}
		_ = json.Unmarshal(body, &order) // the market refuses what is not JSON
		_, tail, _ := rental.ParseLabel(order.Label)
		st.mu.Lock()
		st.orders = append(st.orders, tail.Nonce)
		st.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	defer func() {
		if broken := recover(); broken != nil {
			st.mu.Lock()
			st.lost++
			st.mu.Unlock()
			panic(broken)
		}
	}()
	st.market.ServeHTTP(w, r)
}

// sent is the nonces of all orders so far, oldest first.
func (st *stage) sent() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.orders)
}

// answersLost is how many requests were never answered.
func (st *stage) answersLost() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.lost
}

// offer is the cheapest GPU of one kind that is to be had. It is looked up past
// the wire, where a search makes the next one wait.
func (st *stage) offer(ctx context.Context) (vast.OfferID, error) {
	const disk = 32 // GB, the default
	wanted := vast.Filter{}.With("gpu_name", "eq", "RTX 4090").With("num_gpus", "eq", 1).With("disk_space", "gte", disk).
		With("rentable", "eq", true).With("verified", "eq", true)
	found, err := st.door.Offers.Search(ctx, vast.OfferQuery{Filter: wanted, DiskGB: disk, Limit: 1})
	if err == nil && len(found) == 0 {
		err = errors.New("the market has no RTX 4090")
	}
	if err != nil {
		return 0, err
	}
	return found[0].ID, nil
}

// rentedFor is the instance that carries the nonce of an order; false when there
// is none, an error when there are several.
func (st *stage) rentedFor(ctx context.Context, nonce string) (id vast.InstanceID, found bool, err error) {
	all, err := st.door.Instances.All(ctx)
	for _, row := range all {
		if _, tail, leased := rental.ParseLabel(row.Label); !leased || tail.Nonce != nonce {
			continue
		}
		if found {
			return 0, false, fmt.Errorf("instances %d and %d both carry nonce %s", id, row.ID, nonce)
		}
		id, found = row.ID, true
	}
	return id, found, err
}

// pass lets market time go by. Afterwards nobody judges by a list that was read
// before.
func (st *stage) pass(ctx context.Context, d time.Duration) error {
	st.clock.turn(d / stageSpeed)
	return vast.SystemClock{}.Sleep(ctx, demoPoll)
}

// ended is when the market's ledger says that a kind of cost of an instance
// ended; zero while it runs.
func (st *stage) ended(id vast.InstanceID, kind string) (time.Time, error) {
	entries, err := st.market.Ledger()
	if err != nil {
		return time.Time{}, err
	}
	for _, e := range slices.Backward(entries) {
		if e.InstanceID == int64(id) && e.Kind == kind {
			return e.End, nil
		}
	}
	return time.Time{}, fmt.Errorf("the ledger never charged %s for instance %d", kind, id)
}

// turnedClock is the system's clock, turned forward. Its zero value is not
// turned. It is safe for concurrent use.
type turnedClock struct {
	vast.SystemClock

	ahead atomic.Int64
}

// Now returns the time that the clock shows.
func (c *turnedClock) Now() time.Time {
	return c.SystemClock.Now().Add(time.Duration(c.ahead.Load()))
}

func (c *turnedClock) turn(by time.Duration) { c.ahead.Add(int64(by)) }
