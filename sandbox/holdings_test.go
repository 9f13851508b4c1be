package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/sandbox"
)

// Everything that the account has outlives the process.
func TestHoldingsAreKept(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1}
	r := newRig(t, o)
	r.store(r.space(nil)[0]["id"], 10)
	r.do(200, "POST", "/api/v0/secrets/", obj{"key": "A", "value": "hush-hush"})
	r.do(200, "POST", templatePath, commandLine(nil))
	r.do(200, "POST", teamPath, obj{"team_name": "t"})
	r.do(200, "PUT", "/api/v0/users/", obj{"fullname": "Ada"})
	r.give(1)
	reader := r.scoped(`{"api":{"user_read":{}}}`, nil)
	r.pass(time.Hour)

	again := r.open(o)
	for _, p := range []string{
		volumePath, "/api/v0/secrets/", templatePath + "?select_filters={}", apiKeys, "/api/v0/users/current/",
		"/api/v1/invoices/?select_filters=" + everything, "/api/v0/charges/?select_filters=%7B%22day%22:%7B%22gte%22:0,%22lte%22:9e9%7D%7D",
	} {
		require.Equal(t, r.do(200, "GET", p, nil), again.do(200, "GET", p, nil), p)
	}
	require.Equal(t, r.array(teamPath+"members/"), again.array(teamPath+"members/"))
	require.Equal(t, r.array("/api/v0/audit_logs/"), again.array("/api/v0/audit_logs/"))
	again.as(reader.key).do(200, "GET", "/api/v0/users/current/", nil)
	again.as(reader.key).do(401, "GET", volumePath, nil)
	raw, err := os.ReadFile(filepath.Join(o.Dir, "market.json"))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "hush-hush", "nothing ever tells it, so it is not kept")
}

func TestDamagedHoldings(t *testing.T) {
	o := sandbox.Options{Dir: t.TempDir(), Speed: 1}
	r := newRig(t, o)
	r.store(r.space(nil)[0]["id"], 10)
	r.give(1)
	key := r.scoped(`{"api":{"user_read":{}}}`, nil).key
	file := filepath.Join(o.Dir, "market.json")
	sound, err := os.ReadFile(file)
	require.NoError(t, err)
	for was, is := range map[string]string{
		`"size":10`:               "\"size\":-10",
		`"machine":`:              `"machine":4`,
		`"micro_dollars":1000000`: `"micro_dollars":-1000000`,
		`"volumes":[`:             `"volumes":[null,`,
		`"payments":[{"id"`:       `"payments":[{"at":"9999-01-01T00:00:00Z","x"`,
		`"audit":`:                `"made":-5,"audit":`,
		`"api_keys":[`:            `"team":{"invited":[{"at":"0001-01-01T00:00:00Z"}]},"api_keys":[`,
	} {
		damaged := strings.Replace(string(sound), was, is, 1)
		if was == `"audit":` {
			damaged = strings.Replace(damaged, `,"made":3`, "", 1)
		}
		if was == `"payments":[{"id"` {
			damaged = strings.Replace(damaged, `"at":"2026-03-02T09:30:00Z","micro`, `"micro`, 1)
		}
		require.NotEqual(t, string(sound), damaged, was)
		require.NoError(t, os.WriteFile(file, []byte(damaged), 0o600))
		_, err := sandbox.Open(o)
		require.ErrorContains(t, err, "--sandbox-fresh", was)
	}
	mangled := strings.Replace(string(sound), `"permissions":{"api":{"user_read":{}}}`, `"permissions":{"all":true}`, 1)
	require.NotEqual(t, string(sound), mangled)
	require.NoError(t, os.WriteFile(file, []byte(mangled), 0o600))
	r.as(key).do(401, "GET", "/api/v0/users/current/", nil)
}

// No body makes any of these panic.
func TestBodiesThatMakeNoSense(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	for _, op := range sandbox.Operations() {
		method, p, _ := strings.Cut(op, " ")
		p = strings.NewReplacer("{id}", "5", "{key_id}", "6").Replace(p)
		for _, body := range []string{"null", "[]", "5", `"x"`, `{"id":[]}`, `{"permissions":[],"q":5,"name":{}}`} {
			_, _, err := r.as(r.m.Key()).send(method, p, body)
			require.NoError(t, err, "%s %s", op, body)
		}
	}
}
