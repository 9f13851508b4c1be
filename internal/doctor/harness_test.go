package doctor_test

import (
	"context"
	"database/sql"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/doctor"
	"vast-mcp/internal/usd"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/sandbox"
	"vast-mcp/vast"
)

const address = "https://api.example"

func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// patient is a healthy vast-mcp: what a test breaks in it must be found.
type patient struct {
	doctor.Patient

	t      *testing.T
	market *sandbox.Market
	wire   *wire
}

func healthy(t *testing.T) *patient {
	t.Helper()
	market, err := sandbox.Open(sandbox.Options{Now: now})
	require.NoError(t, err)
	p := &patient{t: t, market: market, wire: &wire{base: market.Transport()}}
	client := p.connect(vast.WithTransport(p.wire))
	_, err = client.SSHKeys.Add(t.Context(), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGyL8hGUrvkZWQ7Tz9RRM6z6gwTRYVbQKZGtXkC9cLWf me")
	require.NoError(t, err)
	state := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.MkdirAll(state, 0o700))
	p.Patient = doctor.Patient{
		Key: doctor.Key{From: "VAST_API_KEY"}, Client: client, Fingerprint: "a fingerprint", StateDir: state, Now: now,
		Policy:  guard.Policy{MaxPerHour: new(usd.Dollar), DailyBudget: new(9 * usd.Dollar), DefaultLease: 24 * time.Hour, MaxLease: 168 * time.Hour},
		Journal: journal.New(filepath.Join(state, "live", "journal.db"), now),
	}
	t.Cleanup(func() { require.NoError(t, p.Journal.Close()) })
	p.wire.sent = nil
	return p
}

func (p *patient) connect(opts ...vast.Option) *vast.Client {
	p.t.Helper()
	opts = append([]vast.Option{vast.WithBaseURL(address), vast.WithClock(hasty{})}, opts...)
	c, err := vast.NewClient(p.market.Key(), opts...)
	require.NoError(p.t, err)
	return c
}

// find is the check of that name.
func (p *patient) find(name string) doctor.Check {
	p.t.Helper()
	r := doctor.Examine(p.t.Context(), p.Patient)
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	require.Fail(p.t, "no such check", name)
	return doctor.Check{}
}

// finds says how a check goes, and what it says. Whatever is not well has a fix.
func (p *patient) finds(name string, status doctor.Status, says string) doctor.Check {
	p.t.Helper()
	c := p.find(name)
	require.Equal(p.t, status, c.Status, "%s: %s", name, c.Detail)
	require.Contains(p.t, c.Detail, says)
	require.Equal(p.t, status == doctor.Warning || status == doctor.Wrong, c.Fix != "", "%s: fix %q", name, c.Fix)
	require.NotContains(p.t, c.Detail+c.Fix, p.market.Key(), "the key is never shown")
	return c
}

// rent puts a machine with that label on the account.
func (p *patient) rent(label string) vast.InstanceID {
	p.t.Helper()
	offers, err := p.Client.Offers.Search(p.t.Context(), vast.OfferQuery{Filter: vast.Filter{}.With("rentable", "eq", true), DiskGB: 10})
	require.NoError(p.t, err)
	require.NotEmpty(p.t, offers)
	id, err := p.Client.Instances.Create(p.t.Context(), offers[0].ID, vast.CreateInstance{Image: "a/b", Label: label, DiskGB: 10})
	require.NoError(p.t, err)
	p.wire.sent = nil
	return id
}

func label(nonce string, left time.Duration) string {
	return rental.FormatLabel("x", rental.Tail{Nonce: nonce, Until: now().Add(left), OnExpiry: rental.OnExpiryStop}, 256)
}

// store puts a ceiling into the journal.
func (p *patient) store(c guard.Ceiling) {
	p.t.Helper()
	desk := rental.New(rental.Config{Client: p.Client, Journal: p.Journal, Clock: hasty{}, Fingerprint: p.Fingerprint})
	realm, err := desk.Realm(p.t.Context())
	require.NoError(p.t, err)
	_, err = guard.SetCeiling(p.t.Context(), p.Journal, realm, c)
	require.NoError(p.t, err)
	require.NoError(p.t, p.Journal.Close())
	p.wire.sent = nil
}

// reap is a reaper at work.
func (p *patient) reap(key string, ended bool) {
	p.t.Helper()
	desk := rental.New(rental.Config{Client: p.Client, Journal: p.Journal, Clock: hasty{}, Fingerprint: key})
	require.NoError(p.t, desk.Beat(p.t.Context(), ended))
	require.NoError(p.t, p.Journal.Close())
	p.wire.sent = nil
}

// write makes the journal, with an intent under the realm that a desk has.
func (p *patient) write(in journal.Intent) {
	p.t.Helper()
	desk := rental.New(rental.Config{Client: p.Client, Journal: p.Journal, Clock: hasty{}, Fingerprint: p.Fingerprint})
	realm, err := desk.Realm(p.t.Context())
	require.NoError(p.t, err)
	require.NoError(p.t, p.Journal.Tx(p.t.Context(), realm, func(tx *journal.Tx) error {
		require.NoError(p.t, tx.PutIntent(in))
		require.NoError(p.t, tx.Append("first", in.Nonce, 1))
		return tx.Append("second", in.Nonce, 2)
	}))
	require.NoError(p.t, p.Journal.Close())
	p.wire.sent = nil
}

// edit changes the journal behind its back.
func (p *patient) edit(query string) {
	p.t.Helper()
	db, err := sql.Open("sqlite", p.Journal.Path())
	require.NoError(p.t, err)
	_, err = db.ExecContext(p.t.Context(), query)
	require.NoError(p.t, err)
	require.NoError(p.t, db.Close())
}

// wire is the way to the market. Paths that contain a key of answers are
// answered by it instead.
type wire struct {
	base    http.RoundTripper
	answers map[string]reply
	sent    []string
}

// reply is an answer, or an error in place of one.
type reply struct {
	status int
	body   string
	err    error
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.sent = append(w.sent, req.Method+" "+req.URL.Path)
	for part, r := range w.answers {
		if strings.Contains(req.URL.Path, part) {
			if r.err != nil {
				return nil, r.err
			}
			header := http.Header{"Date": {now().Format(http.TimeFormat)}}
			return &http.Response{StatusCode: r.status, Header: header, Body: io.NopCloser(strings.NewReader(r.body)), Request: req}, nil
		}
	}
	return w.base.RoundTrip(req)
}

func refused(message string) reply {
	return reply{status: http.StatusUnauthorized, body: `{"success":false,"error":"auth_error","msg":"` + message + `"}`}
}

const (
	users     = "/users/current/"
	instances = "/api/v1/instances/"
	sshKeys   = "/ssh/"
	charges   = "/charges/"
)

// hasty is a clock that never waits. It is far ahead, so that no wait fits a
// deadline and what fails is not tried again.
type hasty struct{}

func (hasty) Now() time.Time { return now().AddDate(100, 0, 0) }

func (hasty) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func itoa(id vast.InstanceID) string { return strconv.FormatInt(int64(id), 10) }
