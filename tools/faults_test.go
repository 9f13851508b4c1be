package tools_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/tool"
	"vast-mcp/sandbox"
)

func fault(t *testing.T, text string) sandbox.Options {
	t.Helper()
	f, err := sandbox.ParseFault(text)
	require.NoError(t, err)
	return sandbox.Options{Faults: []sandbox.Fault{f}}
}

// TestTheOrdersAnswerIsLost breaks the answer to the order in every way that
// leaves open whether it had an effect. One order may go out, and what is said
// must be true.
func TestTheOrdersAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		fault  string
		rented bool
	}{
		{"create:after:drop:1", true},
		{"create:after:502:1", true},
		{"create:after:500:1", true},
		{"create:after:delay=30000:1", true},
		{"create:before:502:1", false},
		{"create:before:drop:1", false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig.New(t, rig.Options{Market: fault(t, c.fault)})
				args := create(r.Offer("RTX 4090"), "")
				got := decode(t, r.Approved("create_instance", args))
				require.Equal(t, 1, r.Requests("PUT", "/asks/"), "one order on the wire")
				if c.rented {
					require.Equal(t, tool.Done, got.Status, got.Message)
					require.Contains(t, r.Machines(), got.InstanceID, "the machine that was really rented")
					require.True(t, decode(t, r.Call("create_instance", args)).Replayed)
				} else {
					require.Equal(t, tool.Unknown, got.Status, "nobody can know that nothing was rented")
					require.NotEmpty(t, got.Message)
					require.Equal(t, tool.Unknown, decode(t, r.Call("create_instance", args)).Status)
				}
				require.Equal(t, 1, r.Requests("PUT", "/asks/"), "the same call again orders nothing")
				require.Len(t, r.Machines(), map[bool]int{true: 1, false: 0}[c.rented])
			})
		})
	}
}

// TestARefusalIsLookedAt: a clean no is believed only after a look at the list.
func TestARefusalIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: fault(t, "create:after:410:1")})
		got := decode(t, r.Approved("create_instance", create(r.Offer("RTX 4090"), "")))
		require.Equal(t, tool.Done, got.Status, "the machine is there, whatever the answer said")
		require.Contains(t, r.Machines(), got.InstanceID)
	})
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{Market: sandbox.Options{Faults: []sandbox.Fault{taken()}}})
		args := create(r.Offer("RTX 4090"), "")
		require.Equal(t, tool.ApprovalNeeded, r.Call("create_instance", args).Status)
		r.Approve()
		lists := r.Requests("GET", "/api/v1/instances/")
		r.Fails(tool.OfferGone, "create_instance", args)
		require.Greater(t, r.Requests("GET", "/api/v1/instances/"), lists)
		require.Empty(t, r.Machines())
	})
}

// taken is how the API says that somebody else was faster.
func taken() sandbox.Fault {
	return sandbox.Fault{
		Op: "create", When: "before", Status: 410, Count: 1,
		Body: `{"success":false,"error":"no_such_ask","msg":"error 410/3907: no_such_ask Instance type 1 is no longer available."}`,
	}
}

// TestTheListFailsAfterARefusal: without a look there is no "not rented".
func TestTheListFailsAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig.Rig
		r = rig.New(t, rig.Options{
			Market: sandbox.Options{Faults: []sandbox.Fault{taken()}},
			Transport: func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if strings.Contains(req.URL.Path, "/asks/") {
						r.Break("list:before:500:99")
					}
					return resp, err
				})
			},
		})
		args := create(r.Offer("RTX 4090"), "")
		require.Equal(t, tool.ApprovalNeeded, r.Call("create_instance", args).Status)
		r.Approve()
		require.Equal(t, tool.Unknown, decode(t, r.Call("create_instance", args)).Status)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestEveryToolInAFault runs each tool while the API fails under it: an answer
// that says what to do next, and nothing done twice.
func TestEveryToolInAFault(t *testing.T) {
	for _, c := range []struct{ tool, args, fault string }{
		{"search_offers", `{}`, "search:before:502:9"},
		{"list_gpus", `{}`, "search:before:drop:9"},
		{"list_instances", `{}`, "list:before:502:9"},
		{"get_instance", `{"instance_id":%d}`, "get:before:502:9"},
		{"start_instance", `{"instance_id":%d}`, "get:before:drop:9"},
		{"stop_instance", `{"instance_id":%d}`, "get:before:500:9"},
		{"reboot_instance", `{"instance_id":%d}`, "reboot:before:500:9"},
		{"label_instance", `{"instance_id":%d,"label":"x"}`, "label:before:500:9"},
		{"destroy_instance", `{"instance_ids":[%d]}`, "get:before:500:9"},
		{"wait_for_instance", `{"instance_id":%d,"until":"gone","timeout_seconds":5}`, "get:before:500:99"},
		{"get_logs", `{"instance_id":%d}`, "logs:before:500:9"},
		{"list_ssh_keys", `{}`, "ssh_list:before:502:9"},
		{"add_ssh_key", `{"public_key":"` + publicKey + `"}`, "ssh_list:before:502:9"},
		{"attach_ssh_key", `{"instance_id":%d,"public_key":"` + publicKey + `"}`, "ssh_on_instance:before:502:9"},
		{"detach_ssh_key", `{"instance_id":%d,"key_id":1}`, "ssh_on_instance:before:502:9"},
		{"get_account", `{}`, "user:before:502:9"},
		{"get_spending", `{}`, "charges:before:502:9"},
	} {
		t.Run(c.tool, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig.New(t, rig.Options{})
				id := rentOne(t, r)
				r.Break(c.fault)
				res := r.Call(c.tool, strings.ReplaceAll(c.args, "%d", fmt.Sprint(id)))
				require.NotNil(t, res.Failure, "%s", res.Structured)
				require.Equal(t, tool.Unavailable, res.Failure.Code, res.Failure.Message)
				require.True(t, res.Failure.Again)
				require.Len(t, r.Machines(), 1)
			})
		})
	}
}

// TestStopAndDestroyWithLostAnswers: both may be repeated, and are done when
// seen.
func TestStopAndDestroyWithLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.New(t, rig.Options{})
		id := rentOne(t, r)
		r.Break("stop:after:drop:1", "destroy:after:502:1")
		require.Equal(t, tool.Done, decode(t, r.Call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, id))).Status)
		require.Equal(t, tool.Done, decode(t, r.Approved("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, id))).Status)
		r.Fails(tool.NotFound, "get_instance", fmt.Sprintf(`{"instance_id":%d}`, id))
	})
}
