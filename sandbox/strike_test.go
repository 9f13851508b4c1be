package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vast-mcp/sandbox"
)

// struck opens a market with one fault on create, and orders.
func struck(t *testing.T, what string) (r *rig, res *http.Response, text []byte, err error) {
	t.Helper()
	r = newRig(t, sandbox.Options{Faults: []sandbox.Fault{fault(t, what)}})
	res, text, err = r.send("PUT", "/api/v0/asks/"+itoa(r.cheap(nil)[3]["id"])+"/", obj{"image": "x", "cancel_unavail": true})
	return r, res, text, err
}

func (r *rig) owned() float64 {
	r.t.Helper()
	return num(r.do(200, "GET", "/api/v1/instances/", nil), "total_instances")
}

func TestGarbage(t *testing.T) {
	r, res, text, err := struck(t, "create:after:garbage:1")
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	require.False(t, json.Valid(text))
	require.EqualValues(t, 1, r.owned())
}

func TestTruncatedAnswers(t *testing.T) {
	r, res, text, err := struck(t, "create:after:truncate")
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.False(t, json.Valid(text))
	require.True(t, strings.HasPrefix(string(text), `{"success":true,"new_contract"`), "%s", text)
	require.EqualValues(t, 1, r.owned())
}

func TestRedirects(t *testing.T) {
	r, res, _, err := struck(t, "create:before:redirect:1")
	require.NoError(t, err)
	require.Equal(t, 307, res.StatusCode)
	require.Equal(t, "https://elsewhere.invalid/", res.Header.Get("Location"))
	require.Zero(t, r.owned())
	r.do(200, "POST", "/__sandbox/faults", obj{"op": "user", "when": "after", "redirect": "http://127.0.0.1/x", "status": 302})
	res, _, err = r.send("GET", "/api/v0/users/current/", nil)
	require.NoError(t, err)
	require.Equal(t, 302, res.StatusCode)
	require.Equal(t, "http://127.0.0.1/x", res.Header.Get("Location"))
}

// The id is of what the request made, of the account's oldest instance, or of
// a stranger's.
func TestIDsInErrors(t *testing.T) {
	named := func(text []byte) int64 {
		var out obj
		require.NoError(t, json.Unmarshal(text, &out))
		require.Equal(t, false, out["success"])
		return int64(num(out, "new_contract"))
	}
	r, res, text, err := struck(t, "create:after:id")
	require.NoError(t, err)
	require.Equal(t, 400, res.StatusCode)
	require.NotNil(t, r.instance(named(text)))

	r, _, text, err = struck(t, "create:before:id")
	require.NoError(t, err)
	require.Nil(t, r.instance(named(text)))
	first := r.rent(r.cheap(nil)[4]["id"], nil)
	r.rent(r.cheap(nil)[5]["id"], nil)
	r.do(200, "POST", "/__sandbox/faults", obj{"op": "create", "when": "before", "status": 500, "body": `{"success":false,"new_contract":{id}}`})
	_, text, err = r.send("PUT", "/api/v0/asks/1/", obj{})
	require.NoError(t, err)
	require.Equal(t, first, named(text))
}

// The client is told nothing, and the order is carried out later, at its
// moment, whoever looks first.
func TestLateCommits(t *testing.T) {
	r, _, _, err := struck(t, "create:before:late=45000:1")
	require.ErrorIs(t, err, syscall.ECONNRESET)
	r.pass(44 * time.Second)
	require.Zero(t, r.owned())
	r.pass(time.Hour)
	require.EqualValues(t, 1, r.owned())
	require.Equal(t, epoch.Add(45*time.Second), r.ledger()[0].Start)

	dir := t.TempDir()
	r = newRig(t, sandbox.Options{Dir: dir, Speed: 1, Faults: []sandbox.Fault{fault(t, "create:before:late=1000:2")}})
	offers := r.cheap(nil)
	for _, nth := range []int{3, 4} {
		_, _, err = r.send("PUT", "/api/v0/asks/"+itoa(offers[nth]["id"])+"/", obj{"image": "x"})
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	other := r.open(sandbox.Options{Dir: dir})
	r.pass(time.Minute)
	require.Zero(t, other.owned(), "the request hangs in the other process")
	require.EqualValues(t, 2, r.owned())
	require.EqualValues(t, 2, other.owned(), "and is stored when it is carried out")
}

// A proxy sends the order again: the second answer is a clean refusal, and
// the machine is rented.
func TestAppliedTwice(t *testing.T) {
	r, res, text, err := struck(t, "create:before:twice:1")
	require.NoError(t, err)
	require.Equal(t, 410, res.StatusCode)
	require.Contains(t, string(text), "no_such_ask")
	require.EqualValues(t, 1, r.owned())

	r.do(200, "POST", "/__sandbox/faults", obj{"op": "destroy", "when": "after", "twice": true})
	id := int64(num(objects(r.do(200, "GET", "/api/v1/instances/", nil)["instances"])[0], "id"))
	require.Equal(t, "no_such_instance", r.do(404, "DELETE", path(id), obj{})["error"])
	require.Zero(t, r.owned())
}

func TestSkipAndAny(t *testing.T) {
	r := newRig(t, sandbox.Options{})
	r.do(200, "POST", "/__sandbox/faults", obj{"op": "any", "when": "before", "status": 500, "skip": 2, "count": 2})
	for _, status := range []int{200, 200, 500, 500, 200} {
		r.do(status, "GET", "/api/v0/users/current/", nil)
	}
}

func TestParseFaults(t *testing.T) {
	one := sandbox.Fault{Op: "user", When: "before", Status: 500}
	for raw, want := range map[string][]sandbox.Fault{
		`{"op":"user","when":"before","status":500}`:   {one},
		`[{"op":"user","when":"before","status":500}]`: {one},
		`[]`:         nil,
		`{"seed":7}`: sandbox.Schedule(7, 1),
		` [{"seed":7,"count":3},{"op":"user","when":"before","status":500}]`: append(sandbox.Schedule(7, 3), one),
	} {
		have, err := sandbox.ParseFaults([]byte(raw))
		require.NoError(t, err, raw)
		require.Equal(t, want, have, raw)
	}
	for raw, says := range map[string]string{
		"":                           "EOF",
		"{":                          "faults: ",
		`{"op":"user"}`:              "fault 1: when",
		`{"seed":7,"op":"x"}`:        "alone",
		`{"seed":7,"count":-1}`:      "fault 1",
		`{"seed":7,"count":1000000}`: "at most 10000",
		`{"op":"user","when":"before","twist":1}`:                    "unknown field",
		`{"op":"user","when":"after","late_ms":5}`:                   "late is before",
		`{"op":"user","when":"before","truncate":true}`:              "truncate is after",
		`{"op":"user","when":"before","fate":"vanish"}`:              "fate",
		`{"op":"create","when":"before","fate":"bored"}`:             "no-start",
		`{"op":"create","when":"before","skip":-1,"drop":true}`:      "skip from 0",
		`{"op":"create","when":"before","late_ms":-1,"drop":true}`:   "late is from 0",
		`{"op":"create","when":"before","status":99,"redirect":"x"}`: "200 to 599",
	} {
		_, err := sandbox.ParseFaults([]byte(raw))
		require.ErrorContains(t, err, says, raw)
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add([]byte(`[{"op":"create","when":"before","fate":"vanish","count":2,"skip":1}]`))
	f.Add([]byte(`{"seed":1,"count":2}`))
	f.Add([]byte(`[[{}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		faults, err := sandbox.ParseFaults(raw)
		if err != nil {
			return
		}
		_, err = sandbox.Open(sandbox.Options{Faults: faults})
		require.NoError(t, err, "what parses can be used")
	})
}

// Every operation can be struck, and a schedule is the same each time.
func TestSchedules(t *testing.T) {
	require.Equal(t, sandbox.Schedule(5, 300), sandbox.Schedule(5, 300))
	require.NotEqual(t, sandbox.Schedule(5, 300), sandbox.Schedule(6, 300))
	require.Equal(t, sandbox.Schedule(5, 10), sandbox.Schedule(5, 300)[:10])
	rapid.Check(t, func(rt *rapid.T) {
		faults := sandbox.Schedule(rapid.Uint64().Draw(rt, "seed"), 50)
		raw, err := json.Marshal(faults)
		require.NoError(rt, err)
		again, err := sandbox.ParseFaults(raw)
		require.NoError(rt, err)
		require.Equal(rt, faults, again, "it can be kept in a file")
	})
}
