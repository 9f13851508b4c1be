package doctor_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/doctor"
	"vast-mcp/vast"
)

// dead is a network on which nothing ever comes back.
type dead struct{}

func (dead) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// anonymous is a client without a key.
func (p *patient) anonymous() *vast.Client {
	p.t.Helper()
	c, err := vast.NewClient("", vast.WithTransport(p.wire))
	require.NoError(p.t, err)
	return c
}

func TestKey(t *testing.T) {
	private := filepath.Join(t.TempDir(), "key")
	open := filepath.Join(t.TempDir(), "a key")
	touch(t, private, 0o600, "x")
	touch(t, open, 0o644, "x")
	for _, c := range []struct {
		key    doctor.Key
		status doctor.Status
		says   string
	}{
		{doctor.Key{From: "VAST_API_KEY"}, doctor.OK, "from VAST_API_KEY"},
		{doctor.Key{From: private, Path: private}, doctor.OK, "from " + private},
		{doctor.Key{From: open, Path: open}, doctor.Warning, "other users may read"},
		{doctor.Key{From: private, Path: private, Session: true}, doctor.Warning, "It ends"},
		{doctor.Key{Err: errors.New("that is a novel")}, doctor.Wrong, "that is a novel"},
		{doctor.Key{}, doctor.Wrong, "no API key"},
	} {
		p := healthy(t)
		p.Key = c.key
		found := p.finds("api_key", c.status, c.says)
		if c.key.Path == open {
			require.Equal(t, "chmod 600 '"+open+"'", found.Fix, "as it can be pasted")
		}
	}
	p := healthy(t)
	p.Sandbox, p.Key = true, doctor.Key{}
	p.finds("api_key", doctor.OK, "the sandbox has its own")
	p.finds("api", doctor.OK, "the simulated market answers")
	p.finds("clock", doctor.OK, "which has its own clock")
}

func TestWithoutAKeyTheRestIsSkipped(t *testing.T) {
	p := healthy(t)
	p.Key, p.Client = doctor.Key{}, p.anonymous()
	for _, name := range []string{"api", "clock", "permissions", "instances", "other_journals", "ssh_keys", "credit"} {
		p.finds(name, doctor.Skipped, "")
	}
	require.Empty(t, p.wire.sent)
	p.finds("policy", doctor.OK, "")
	p.finds("state_dir", doctor.OK, "")
	p.finds("journal", doctor.OK, "")
}

func TestWithoutAClient(t *testing.T) {
	p := healthy(t)
	p.Client, p.ClientErr, p.AddressFrom = nil, errors.New("VAST_URL: no such scheme"), "VAST_URL"
	p.finds("api", doctor.Wrong, "VAST_URL: no such scheme")
	p.finds("clock", doctor.Skipped, "")
	p.Key, p.ClientErr = doctor.Key{Err: errors.New("not a key")}, nil
	p.finds("api", doctor.Skipped, "no API key that can be read")
}

func TestReachability(t *testing.T) {
	dial := func(err error) reply { return reply{err: &net.OpError{Op: "dial", Net: "tcp", Err: err}} }
	for says, c := range map[string]struct {
		answer reply
		status doctor.Status
	}{
		address + " (from VAST_URL) answers":    {reply{}, doctor.OK},
		"the name api.example cannot be looked": {dial(&net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}), doctor.Wrong},
		"nothing listens there":                 {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), doctor.Wrong},
		"it took too long":                      {dial(os.ErrDeadlineExceeded), doctor.Wrong},
		"it does not speak TLS":                 {reply{err: tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}}, doctor.Wrong},
		"connection reset by peer":              {reply{err: os.NewSyscallError("read", syscall.ECONNRESET)}, doctor.Wrong},
		"answers HTTP 502":                      {reply{status: 502, body: "<html>"}, doctor.Wrong},
		"answers HTTP 200, not as":              {reply{status: 200, body: "<html>log in</html>"}, doctor.Wrong},
		"answers HTTP 302":                      {reply{status: 302, body: "elsewhere"}, doctor.Wrong},
		"answers HTTP 404":                      {reply{status: 404, body: `{"detail":"Not Found"}`}, doctor.Wrong},
		"asks for fewer requests":               {reply{status: 429, body: `{"detail":"API requests too frequent"}`}, doctor.Warning},
	} {
		t.Run(says, func(t *testing.T) {
			p := healthy(t)
			p.AddressFrom = "VAST_URL"
			if c.status != doctor.OK {
				p.wire.answers = map[string]reply{users: c.answer}
			}
			p.finds("api", c.status, says)
			if c.status == doctor.OK {
				return
			}
			for _, name := range []string{"permissions", "instances", "other_journals", "ssh_keys", "credit"} {
				p.finds(name, doctor.Skipped, "the API does not answer as it should")
			}
			require.NotContains(t, p.wire.sent, "GET "+instances, "what fails once is not asked again")
		})
	}
}

func TestACertificateThatNobodyKnows(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	p := healthy(t)
	p.Client = p.connect(vast.WithBaseURL(server.URL))
	p.finds("api", doctor.Wrong, "its certificate is not trusted")
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		off    time.Duration
		status doctor.Status
		says   string
	}{
		{0, doctor.OK, "right to the second"},
		{-20 * time.Second, doctor.OK, "20s behind the API's"},
		{30 * time.Second, doctor.OK, "30s ahead of the API's"},
		{31 * time.Second, doctor.Warning, "31s ahead of the API's"},
		{-5 * time.Minute, doctor.Warning, "5m0s behind"},
		{5*time.Minute + time.Second, doctor.Wrong, "5m1s ahead"},
		{-48 * time.Hour, doctor.Wrong, "48h0m0s behind"},
	} {
		p := healthy(t)
		p.Now = func() time.Time { return now().Add(c.off) }
		p.finds("clock", c.status, c.says)
		p.finds("clock", c.status, "leases use the API's clock")

		p.Client = p.connect(vast.WithBaseURL("http://127.0.0.1:8788"), vast.WithTransport(p.wire))
		p.finds("clock", doctor.OK, "simulated market")
	}
}

func TestPermissions(t *testing.T) {
	none := map[string]reply{users: refused("Invalid user key"), instances: refused("Invalid user key")}
	expired := map[string]reply{
		users: {status: 404, body: `{"success":false,"msg":"Session expired. Please log in again."}`}, instances: refused("x"),
	}
	factors := "This account requires you to have logged in using Two Factor Authentication"
	for name, c := range map[string]struct {
		answers   map[string]reply
		status    doctor.Status
		says, fix string
	}{
		"all":             {nil, doctor.OK, "may read the account, instances, SSH keys and charges", ""},
		"unknown key":     {none, doctor.Wrong, "Invalid user key", "create an API key"},
		"expired session": {expired, doctor.Wrong, "Session expired", "log in again"},
		"two factors":     {map[string]reply{users: refused(factors), instances: refused(factors)}, doctor.Wrong, "Two Factor", "log in with two factors"},
		"no instances":    {map[string]reply{instances: refused("Your key lacks the instance_read permission group")}, doctor.Wrong, "nothing can be rented", "instance_read and instance_write"},
		"no account":      {map[string]reply{users: refused("lacks"), sshKeys: refused("lacks")}, doctor.Warning, "without user_read, get_account and list_ssh_keys cannot work", "give it user_read at"},
		"no charges":      {map[string]reply{charges: refused("lacks")}, doctor.Warning, "without billing_read, get_spending cannot work", "give it billing_read"},
		"charges fail":    {map[string]reply{charges: {status: 500, body: "{}"}}, doctor.Warning, "whether the key may read charges is not known", "in a moment"},
	} {
		t.Run(name, func(t *testing.T) {
			p := healthy(t)
			p.wire.answers = c.answers
			require.Contains(t, p.finds("permissions", c.status, c.says).Fix, c.fix)
			p.finds("api", doctor.OK, "answers")
		})
	}
	p := healthy(t)
	p.wire.answers = none
	for _, name := range []string{"instances", "other_journals", "ssh_keys", "credit"} {
		p.finds(name, doctor.Skipped, "the API does not accept the key")
	}
}
