package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/faultpoint"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

// TestKilledAtEveryPoint kills a real process at each named point, starts the
// program again, and counts the same zeros as the schedules do.
func TestKilledAtEveryPoint(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes, which are not built for the race detector")
	}
	if runtime.GOOS != "linux" {
		t.Skip("it builds and kills real processes, which is done once, on Linux")
	}
	program := filepath.Join(t.TempDir(), "vast-mcp")
	built, err := exec.Command("go", "build", "-tags", "faultpoints", "-o", program, "vast-mcp").CombinedOutput()
	require.NoError(t, err, "%s", built)
	// They mostly wait, so they do it side by side.
	var victims []*victim
	var running sync.WaitGroup
	for _, point := range faultpoint.Points() {
		v := newVictim(t, program, point)
		victims = append(victims, v)
		running.Go(v.run)
	}
	running.Wait()
	for _, v := range victims {
		t.Run(string(v.point), func(t *testing.T) { require.Empty(t, v.wrong, "%s", v.said.String()) })
	}
}

// TestAPointThatIsNone is refused, so that a misspelled one does not pass.
func TestAPointThatIsNone(t *testing.T) {
	require.Empty(t, faultpoint.Env, "without its tag the program knows no such variable")
}

// victim is one market, one state folder and the processes that run there.
type victim struct {
	program string
	point   faultpoint.Point
	dir     string
	market  *sandbox.Market
	server  *httptest.Server
	door    *vast.Client
	offer   vast.OfferID
	spare   vast.OfferID

	mu     sync.Mutex
	orders map[string]int // on the wire, by nonce
	said   strings.Builder
	wrong  []string
}

func newVictim(t *testing.T, program string, point faultpoint.Point) *victim {
	t.Helper()
	v := &victim{program: program, point: point, dir: t.TempDir(), orders: map[string]int{}}
	var err error
	v.market, err = sandbox.Open(sandbox.Options{Speed: 20})
	require.NoError(t, err)
	v.server = httptest.NewServer(v)
	t.Cleanup(v.server.Close)
	v.door, err = vast.NewClient(v.market.Key(), vast.WithBaseURL(v.market.Origin()), vast.WithTransport(v.market.Transport()))
	require.NoError(t, err)
	found, err := v.door.Offers.Search(t.Context(), vast.OfferQuery{DiskGB: 10})
	require.NoError(t, err)
	found = slices.DeleteFunc(found, func(o vast.Offer) bool { return !o.Rentable })
	other := slices.IndexFunc(found, func(o vast.Offer) bool { return o.MachineID != found[0].MachineID })
	v.offer, v.spare = found[0].ID, found[other].ID
	return v
}

// ServeHTTP is the market. It counts orders, and for one point it carries out
// each of them twice.
func (v *victim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/v0/asks/") {
		body, _ := io.ReadAll(r.Body)
		var order struct{ Label string }
		_ = json.Unmarshal(body, &order)
		_, tail, _ := rental.ParseLabel(order.Label)
		v.mu.Lock()
		v.orders[tail.Nonce]++
		v.mu.Unlock()
		if v.point == faultpoint.Undoing {
			again := r.Clone(r.Context())
			again.URL.Path, again.Body = fmt.Sprintf("/api/v0/asks/%d/", v.spare), io.NopCloser(bytes.NewReader(body))
			v.market.ServeHTTP(httptest.NewRecorder(), again)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	v.market.ServeHTTP(w, r)
}

// exec runs the program as a person would and reports how it ended: its exit
// code, or -1 if it was killed.
func (v *victim) exec(fault faultpoint.Point, args ...string) (a answer, code int) {
	cmd := exec.Command(v.program, append([]string{"--state-dir", v.dir, "--approve", "model"}, args...)...)
	cmd.Env = append(os.Environ(), "VAST_URL="+v.server.URL, "VAST_API_KEY="+v.market.Key())
	if fault != "" {
		cmd.Env = append(cmd.Env, "VAST_MCP_FAULT="+string(fault))
	}
	out, err := cmd.Output()
	code = cmd.ProcessState.ExitCode()
	failed, _ := errors.AsType[*exec.ExitError](err)
	fmt.Fprintf(&v.said, "%v -> %d %s", args, code, out)
	if failed != nil {
		fmt.Fprintf(&v.said, "%s", failed.Stderr)
	}
	if args[0] == "call" && len(out) > 0 {
		var wrapped struct{ Error *tool.Failure }
		v.check(json.Unmarshal(out, &a) == nil && json.Unmarshal(out, &wrapped) == nil, "unreadable: %s", out)
		a.failure = wrapped.Error
	}
	return a, code
}

func (v *victim) check(ok bool, format string, args ...any) {
	if !ok {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
}

// run brings the process to its point, and then does what a person would.
func (v *victim) run() {
	call := v.deed()
	if v.point == faultpoint.Undoing {
		v.approved("", call)
		call = []string{"settle"}
	}
	code := v.approved(v.point, call)
	v.check(code == -1, "it was not killed, but ended with %d", code)
	if patient := os.Getenv("FAULTS") != ""; patient || !v.leavesItOnItsWay() {
		v.approved("", call)
	}
	_, code = v.exec("", "settle")
	v.check(code == 0 || v.leavesItOnItsWay() || v.point == faultpoint.Undoing, "settling ended with %d", code)
	v.count(code == 0)
}

// leavesItOnItsWay reports whether the same call, made again, has to wait for
// the one that was killed: for all it knows that one is at work.
func (v *victim) leavesItOnItsWay() bool {
	return slices.Contains([]faultpoint.Point{faultpoint.Redeemed, faultpoint.Sent, faultpoint.Ordered, faultpoint.Labelled, faultpoint.Started}, v.point)
}

// deed is the call that comes by the point.
func (v *victim) deed() []string {
	switch v.point { //nolint:exhaustive // the others are on a rental's way
	case faultpoint.Labelled, faultpoint.Started:
		return []string{"call", "start_instance", fmt.Sprintf(`{"instance_id":%d}`, v.byHand(true))}
	case faultpoint.Extending, faultpoint.Relabelled:
		return []string{"call", "extend_lease", fmt.Sprintf(`{"instance_id":%d,"lease_hours":50}`, v.byHand(false))}
	case faultpoint.Stopping:
		return []string{"call", "stop_instance", fmt.Sprintf(`{"instance_id":%d}`, v.byHand(false))}
	case faultpoint.Deleting:
		return []string{"call", "destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, v.byHand(false))}
	}
	return []string{"call", "create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"a/b","disk_gb":10}`, v.offer)}
}

// byHand rents an instance past the program.
func (v *victim) byHand(stopped bool) vast.InstanceID {
	ctx := context.Background()
	id, err := v.door.Instances.Create(ctx, v.offer, vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh", Label: v.label()})
	v.check(err == nil, "renting by hand: %v", err)
	if stopped {
		v.check(v.door.Instances.Stop(ctx, id) == nil, "stopping by hand")
	}
	return id
}

// label is that of an instance by hand: one whose lease is to be extended has one.
func (v *victim) label() string {
	if v.point != faultpoint.Extending && v.point != faultpoint.Relabelled {
		return ""
	}
	now := v.market.Now()
	return rental.FormatLabel("x", rental.Tail{Nonce: rental.NewNonce(now), Until: now.Add(40 * time.Hour), OnExpiry: rental.OnExpiryStop}, 256)
}

// approved makes a call, and again with its approval where it needs one.
func (v *victim) approved(fault faultpoint.Point, call []string) (code int) {
	a, code := v.exec(fault, call...)
	if a.Quote != nil {
		args := strings.TrimSuffix(call[2], "}") + fmt.Sprintf(`,"approval":%q}`, a.Quote.QuoteID)
		a, code = v.exec(fault, call[0], call[1], args)
	}
	v.judge(call, a)
	return code
}

// judge compares what was said with the ledger.
func (v *victim) judge(call []string, a answer) {
	if len(call) < 2 || a.failure == nil && a.Status == "" {
		return
	}
	rows := v.rows()
	switch {
	case call[1] == "create_instance" && a.Status == tool.Done:
		_, there := rows[a.InstanceID]
		v.check(there, "%d was said to be rented, and is not there", a.InstanceID)
	case call[1] == "create_instance" && a.deniesEffect():
		v.check(len(rows) == 0, "%v was said, and %d instances are there", a, len(rows))
	case call[1] == "destroy_instance" && a.Status == tool.Done:
		v.check(len(rows) == 0, "it was said to be gone, and is there")
	case call[1] == "extend_lease" && a.Status == tool.Done:
		for id, row := range rows {
			_, tail, _ := rental.ParseLabel(row.Label)
			v.check(tail.Until.Sub(v.market.Now()) > 45*time.Hour, "the lease of %d was said to be extended, and it ends at %s", id, tail.Until)
		}
	case call[1] == "stop_instance" && a.Status == tool.Done:
		for id, row := range rows {
			v.check(!rental.Running(row), "%d was said to be stopped, and runs", id)
		}
	case call[1] == "start_instance" && a.Status == tool.Done:
		for id, row := range rows {
			v.check(rental.Running(row), "%d was said to be started, and does not run", id)
		}
	}
}

func (v *victim) rows() map[int64]vast.Instance {
	all, err := v.door.Instances.All(context.Background())
	v.check(err == nil, "the list: %v", err)
	rows := map[int64]vast.Instance{}
	for _, row := range all {
		rows[int64(row.ID)] = row
	}
	return rows
}

// count is the zeros. Only what is settled can be counted whole.
func (v *victim) count(settled bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for nonce, n := range v.orders {
		v.check(n == 1, "%d orders for nonce %s", n, nonce)
	}
	rows := v.rows()
	v.check(len(rows) <= 1 || !settled, "%d instances", len(rows))
	ctx := context.Background()
	user, err := v.door.Account.Current(ctx)
	v.check(err == nil, "the account: %v", err)
	j := journal.New(filepath.Join(v.dir, "live", "journal.db"), time.Now)
	realm := rental.RealmOf(v.server.URL, user)
	err = j.Tx(ctx, realm, func(tx *journal.Tx) error {
		open, err := tx.Counting()
		v.known(open, rows, settled)
		return err
	})
	for _, chain := range j.Events(ctx, realm) {
		err = errors.Join(err, chain)
	}
	v.check(err == nil && j.Close() == nil, "the journal: %v", err)
}

func (v *victim) known(open []journal.Intent, rows map[int64]vast.Instance, settled bool) {
	rented := map[int64]bool{}
	for _, in := range open {
		if !guard.Rents(in) {
			continue
		}
		rented[in.Instance] = in.State == journal.Rented
		_, there := rows[in.Instance]
		v.check(!settled || in.State == journal.Prepared || there, "intent %s is %s as %d, which is not there", in.Nonce, in.State, in.Instance)
	}
	for id, row := range rows {
		if rental.Ours(row) && settled && rental.Running(row) && v.label() == "" {
			v.check(rented[id], "the journal does not know %d as rented", id)
		}
	}
}
