package vast_test

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"vast-mcp/vast"
)

func TestErrorsAreClassified(t *testing.T) {
	tests := []struct {
		name, call string
		reply      reply
		code       vast.Code
	}{
		{"no header", "read", status(403, `{"success":false,"error":"auth_error","msg":"This action requires login."}`), vast.Denied},
		{"unknown key is 404", "read", status(404, read(t, "denied")), vast.Denied},
		{"unknown key is 401", "stop", status(401, `{"error":"auth_error","msg":"Invalid user key"}`), vast.Denied},
		{"auth error of a 400", "stop", status(400, `{"error":"auth_error"}`), vast.Denied},
		{"expired session", "read", status(404, `{"success":false,"msg":"Session expired. Please log in again."}`), vast.Denied},
		{"scope, as text", "read", status(401, "Your key lacks the machine_read permission group"), vast.Denied},
		{"gone 400", "create", status(400, read(t, "create_gone_400")), vast.Taken},
		{"gone 404", "create", status(404, read(t, "create_gone_404")), vast.Taken},
		{"gone 410", "create", status(410, read(t, "create_gone_410")), vast.Taken},
		{"gone, as text", "create", status(410, "Instance type 7 is no longer available."), vast.Taken},
		{"no credit", "create", status(400, `{"error":"insufficient_credit","msg":"Your account lacks credit; see the billing page."}`), vast.Broke},
		{"spend rate", "create", status(403, `{"error":"spend_rate_limit"}`), vast.Broke},
		{"no card", "start", status(400, `{"error":"missing_billing"}`), vast.Broke},
		{"too long", "create", status(400, `{"success":false,"error":"invalid_args","msg":"error 400/3471: Invalid args"}`), vast.Invalid},
		{"not available elsewhere", "stop", status(400, `{"error":"x","msg":"it is not available"}`), vast.Invalid},
		{"unknown instance", "stop", status(404, read(t, "instance_unknown")), vast.NotFound},
		{"unprocessable", "read", status(422, `{"detail":[{"msg":"x"}]}`), vast.Invalid},
		{"deprecated", "read", status(410, read(t, "instances_deprecated")), vast.Deprecated},
		{"queued", "start", ok(read(t, "start_queued")), vast.Queued},
		{"broke at start", "start", ok(`{"success":false,"error":"insufficient_credit"}`), vast.Broke},
		{"200 is not success", "stop", ok(`{"success":false,"msg":"no"}`), vast.Refused},
		{"200 with success 0", "stop", ok(`{"success":0}`), vast.Refused},
		{"200 with an error alone", "stop", ok(`{"error":"boom"}`), vast.Refused},
		{"moved", "stop", status(301, "<html>"), vast.Refused},
		{"page of a proxy", "read", status(404, "<html>no</html>"), vast.Refused},
		{"odd status", "stop", status(483, `{"error":"invalid_args"}`), vast.Refused},
		{"down", "start", status(503, "<html>"), vast.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := scripted(t, tt.reply)
			err := calls(c)[tt.call](t.Context())
			require.ErrorIs(t, err, tt.code)
			require.Equal(t, tt.reply.status, asError(t, err).Status)
		})
	}
}

func TestDestroyIsNotFoundOnlyByTheAPIsWord(t *testing.T) {
	tests := map[string]struct {
		reply reply
		code  vast.Code
	}{
		"the word":       {status(404, read(t, "instance_unknown")), vast.NotFound},
		"another word":   {status(404, `{"error":"not_found","msg":"x"}`), vast.Refused},
		"no word":        {status(404, `{}`), vast.Refused},
		"a proxy's page": {status(404, "<html>"), vast.Refused},
		"a refused key":  {status(404, read(t, "denied")), vast.Denied},
	}
	for name, tt := range tests {
		c, _ := scripted(t, tt.reply)
		require.ErrorIs(t, c.Instances.Destroy(t.Context(), 7), tt.code, name)
	}
}

func TestErrorSaysWhatHappenedAndWhatToDo(t *testing.T) {
	c, _ := scripted(t, status(410, read(t, "create_gone_410")))
	_, err := c.Instances.Create(t.Context(), 7, vast.CreateInstance{Image: "i"})
	require.EqualError(t, err, "vast: create instance: the offer is gone; search again (HTTP 410: no_such_ask: "+
		"error 410/3907: no_such_ask Instance type 41234567 is no longer available.)")

	c, _ = scripted(t, status(429, read(t, "throttled")))
	_, err = c.Instances.Create(t.Context(), 7, vast.CreateInstance{Image: "i"})
	require.EqualError(t, err, "vast: create instance: too many requests; wait 10s and try again "+
		"(HTTP 429: HTTPTooManyRequests: API requests too frequent)")

	c, _ = scripted(t, failure(errReset))
	err = c.Instances.Start(t.Context(), 7)
	require.EqualError(t, err, "vast: start instance: the API is unavailable; try again later; "+
		"it may have taken effect: connection reset by peer")
	require.ErrorIs(t, err, errReset)
}

func TestEveryCodeHasWords(t *testing.T) {
	for _, code := range []vast.Code{
		vast.NoKey, vast.Denied, vast.Invalid, vast.NotFound, vast.Taken, vast.Broke, vast.Queued,
		vast.Throttled, vast.Unavailable, vast.Deprecated, vast.Garbled, vast.Refused, vast.Incomplete, vast.NotReady,
	} {
		require.NotEqual(t, string(code), code.Error())
	}
	require.Equal(t, "other", vast.Code("other").Error())
	require.False(t, vast.Uncertain(nil))
	require.False(t, vast.Uncertain(errReset))
}

func TestErrorsHoldNoSecret(t *testing.T) {
	token := strings.Repeat("0123456789abcdef", 4)
	said := "Bearer abc.def; api_key=qwerty&x=1; token " + token + "; key " + testKey +
		`; {"instance_api_key": "hush"}; -u me -p hunter2 docker.io; jupyter_token='t0ken'` + "\n\x1b[31m"
	calls := map[string]reply{
		"message":  status(400, `{"error":"`+testKey+`","msg":`+quoted(said)+`}`),
		"text":     status(400, said),
		"garbled":  ok("not json " + said),
		"cause":    failure(&leak{said}),
		"envelope": ok(`{"success":false,"message":` + quoted(said) + `}`),
	}
	for name, r := range calls {
		c, network := scripted(t, r)
		_, err := c.Account.Current(t.Context())
		require.Error(t, err, name)
		for _, secret := range []string{testKey, token, "abc.def", "qwerty", "hush", "hunter2", "t0ken", "\n", "\x1b"} {
			require.NotContains(t, err.Error(), secret, name)
		}
		for _, s := range network.sent {
			require.NotContains(t, s.url, testKey)
		}
	}
}

type leak struct{ said string }

func (l *leak) Error() string { return l.said }

func TestMessagesAreCut(t *testing.T) {
	c, _ := scripted(t, status(400, "x"+strings.Repeat("é", 5000)))
	_, err := c.Account.Current(t.Context())
	require.Less(t, len(err.Error()), 700)
	require.True(t, utf8.ValidString(err.Error()))

	c, _ = scripted(t, ok(strings.Repeat("x", 5000)))
	_, err = c.Account.Current(t.Context())
	require.Less(t, len(err.Error()), 400)
}

func TestNoKeySendsNothing(t *testing.T) {
	network := &script{replies: []reply{ok("{}")}}
	c, err := vast.NewClient(" ", vast.WithTransport(network), vast.WithClock(newClock()))
	require.NoError(t, err)
	for name, call := range calls(c) {
		err := call(context.Background())
		require.ErrorIs(t, err, vast.NoKey, name)
		require.True(t, asError(t, err).NotSent)
		require.False(t, vast.Uncertain(err))
	}
	require.Empty(t, network.sent)
}
