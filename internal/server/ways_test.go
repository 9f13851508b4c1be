package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"vast-mcp/internal/rig"
	"vast-mcp/internal/server"
)

const (
	canAsk    = `{"elicitation":{}}`
	cannotAsk = `{}`
	urlOnly   = `{"elicitation":{"url":{}}}`
	yes       = `{"action":"accept","content":{"approve":true}}`
	justEnter = `{"action":"accept","content":{"approve":false}}`
	instantNo = `{"action":"decline"}`
)

// TestApprovalInEveryEra: asked when the client can ask, told the command when
// it cannot; nothing is rented without a yes.
func TestApprovalInEveryEra(t *testing.T) {
	for _, by := range ways() {
		for _, c := range []struct {
			name, caps, answer, status string
			asked                      int
		}{
			{"accepts", canAsk, yes, "done", 1},
			{"accepts form", `{"elicitation":{"form":{}}}`, yes, "done", 1},
			{"presses enter at once", canAsk, justEnter, "approval_needed", 1},
			{"declines before anyone can have read it", canAsk, instantNo, "approval_needed", 1},
			{"answers nonsense", canAsk, `{"action":"perhaps"}`, "approval_needed", 1},
			{"can ask by URL only", urlOnly, yes, "approval_needed", 0},
			{"cannot ask", cannotAsk, yes, "approval_needed", 0},
		} {
			t.Run(by.String()+" "+c.name, func(t *testing.T) {
				r := rig.New(t, rig.Options{Market: fast()})
				w := dial(t, r, by, c.caps, c.answer)
				args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
				res := w.call("create_instance", args)
				require.False(t, res.IsError)
				require.Contains(t, string(res.Structured), `"status":"`+c.status+`"`)
				require.Len(t, w.asked, c.asked)
				if c.status == "done" {
					require.Contains(t, w.asked[0], "Rent 1x RTX 4090")
					require.Contains(t, w.asked[0], "/h, at most $")
					require.Len(t, r.Machines(), 1)
					return
				}
				require.Empty(t, r.Machines(), "nothing is rented without a yes")
				require.Contains(t, res.Content[0].Text, "vast-mcp approve ")
				r.Approve()
				require.Contains(t, string(w.call("create_instance", args).Structured), `"status":"done"`)
				require.Len(t, r.Machines(), 1)
			})
		}
	}
}

// TestASlowNoVoidsTheQuote: a person said no, so the code is worth nothing and
// the tool does not nag.
func TestASlowNoVoidsTheQuote(t *testing.T) {
	for _, by := range ways() {
		t.Run(by.String(), func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast()})
			w := dial(t, r, by, canAsk, `{"action":"decline"}`)
			w.out = slowAnswers{w.out}
			args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090"))
			require.Contains(t, string(w.call("create_instance", args).Structured), `"status":"declined"`)
			r.Approve()
			require.Contains(t, string(w.call("create_instance", args).Structured), `"status":"approval_needed"`)
			require.Len(t, w.asked, 1, "the user is not asked again")
			require.Empty(t, r.Machines())
		})
	}
}

// slowAnswers holds an answer back for as long as a person needs to read.
type slowAnswers struct{ io.Writer }

func (s slowAnswers) Write(b []byte) (int, error) {
	if strings.Contains(string(b), `"decline"`) {
		<-time.After(500 * time.Millisecond)
	}
	return s.Writer.Write(b)
}

func TestEveryEraListsTheSameTools(t *testing.T) {
	for _, by := range ways() {
		r := rig.New(t, rig.Options{Market: fast()})
		w := dial(t, r, by, cannotAsk, "")
		var list struct {
			Tools []json.RawMessage `json:"tools"`
		}
		require.NoError(t, json.Unmarshal(w.request("tools/list", `{}`).Result, &list))
		require.Len(t, list.Tools, 21)
		catalogue, err := r.App.Tools(t.Context())
		require.NoError(t, err)
		for _, x := range list.Tools {
			require.Contains(t, string(catalogue), string(x), "tools --json is what clients get, byte for byte")
		}
		w.close()
	}
}

func TestErrorsCarryTheirCodeAndNoStructuredContent(t *testing.T) {
	for _, by := range ways() {
		r := rig.New(t, rig.Options{Market: fast()})
		w := dial(t, r, by, cannotAsk, "")
		res := w.call("get_instance", `{"instance_id":5}`)
		require.True(t, res.IsError)
		require.Empty(t, res.Structured)
		require.JSONEq(t, `{"code":"not_found","message":"there is no instance 5","hint":"check the id or hash; list_instances and list_ssh_keys show what there is","retryable":false}`, string(res.Meta["vast-mcp/error"]))
		require.Regexp(t, `^not_found: .*\nNext: `, res.Content[0].Text)
		w.close()
	}
}

func TestProgressComesBeforeTheResult(t *testing.T) {
	for _, by := range ways() {
		r := rig.New(t, rig.Options{Market: fast()})
		w := dial(t, r, by, canAsk, yes)
		res := w.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090")))
		var made struct {
			InstanceID int64 `json:"instance_id"`
		}
		require.NoError(t, json.Unmarshal(res.Structured, &made))
		m := w.request("tools/call", fmt.Sprintf(`{"name":"wait_for_instance","arguments":{"instance_id":%d},"_meta":{"progressToken":"p1"}}`, made.InstanceID))
		require.Contains(t, string(m.Result), `"reached":true`)
		require.NotEmpty(t, w.updates)
		require.Contains(t, w.updates[len(w.updates)-1], ": ready", "the last report is not lost")
		w.close()
	}
}

// TestProgressGoesToItsOwnCall: the calls of one session share a queue inside the
// library, and whichever reads first would get the progress of another.
func TestProgressGoesToItsOwnCall(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast()})
			id := rent(t, r, "stop")
			w := &wire{t: t, modern: version >= "2026", caps: cannotAsk}
			link := w.overHTTP(serveHTTP(t, r, server.HTTP{}), way{over: "http", version: version})
			w.greet(version)
			var calls sync.WaitGroup
			for i := range 10 {
				calls.Go(func() {
					line := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}`, 100+i,
						w.era(fmt.Sprintf(`{"name":"wait_for_instance","arguments":{"instance_id":%d,"until":"ready"},"_meta":{"progressToken":"token-%d"}}`, id, i)))
					resp, err := link.client.Do(link.request([]byte(line)))
					if !assert.NoError(t, err) {
						return
					}
					body, err := io.ReadAll(resp.Body)
					assert.NoError(t, errors.Join(err, resp.Body.Close()))
					events := strings.Count(string(body), "notifications/progress")
					assert.Positive(t, events)
					assert.Equal(t, events, strings.Count(string(body), fmt.Sprintf(`"progressToken":"token-%d"`, i)), "all of it is its own")
					last := strings.LastIndex(string(body), ": ready")
					assert.Less(t, last, strings.Index(string(body), fmt.Sprintf(`"id":%d`, 100+i)), "and comes before the result")
				})
			}
			calls.Wait()
		})
	}
}
