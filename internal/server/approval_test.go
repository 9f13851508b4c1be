package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/journaltest"
	"vast-mcp/internal/rig"
	"vast-mcp/journal"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

const passphrase = "correct horse battery"

// byPassphrase approves all that waits, as the approve command does.
func byPassphrase(t *testing.T, r *rig.Rig) {
	t.Helper()
	all, err := guard.ListWaiting(t.Context(), r.Journal, vast.SystemClock{}.Now())
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, w := range all {
		require.NoError(t, guard.ApproveWaiting(t.Context(), r.Journal, w, []byte(passphrase)))
	}
}

// TestWithAnApproverNoCodeComesOut: whatever the mode and however the client
// speaks, it is told to turn to the owner, and nothing it can read helps it.
func TestWithAnApproverNoCodeComesOut(t *testing.T) {
	for _, by := range ways() {
		mode := map[string]guard.Mode{"2025-06-18": guard.Client, "2025-11-25": guard.Auto, "2026-07-28": guard.Model}[by.version]
		t.Run(by.String()+" "+string(mode), func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast(), Mode: mode})
			require.NoError(t, guard.SetApprover(t.Context(), r.Journal, nil, []byte(passphrase)))
			w := dial(t, r, by, canAsk, yes)
			args := fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"`, r.Offer("RTX 4090"))
			res := w.call("create_instance", args+"}")
			require.Empty(t, w.asked, "the client is not asked")
			var needs struct {
				Status string         `json:"status"`
				Quote  map[string]any `json:"quote"`
			}
			require.NoError(t, json.Unmarshal(res.Structured, &needs))
			require.Equal(t, "approval_needed", needs.Status)
			id, _ := needs.Quote["quote_id"].(string)
			require.NotContains(t, needs.Quote, "code")
			require.Contains(t, res.Content[0].Text, "vast-mcp approve "+id)
			require.Contains(t, res.Content[0].Text, "vast-mcp approvals")
			said := res.Content[0].Text + string(res.Structured)
			if mode == guard.Model {
				echoed := w.call("create_instance", args+`,"approval":"`+id+`"}`)
				require.Contains(t, string(echoed.Structured), `"status":"approval_needed"`, "a name is no approval")
				said += echoed.Content[0].Text + string(echoed.Structured)
			}
			policy := string(w.request("resources/read", `{"uri":"vast://policy"}`).Result)
			require.Contains(t, policy, `approval_mode\":\"operator`)
			said += policy
			for _, uri := range []string{"vast://account", "vast://instances", "vast://billing"} {
				said += string(w.request("resources/read", `{"uri":"`+uri+`"}`).Result)
			}
			require.Empty(t, r.Machines())
			requireNoCode(t, r, said)

			byPassphrase(t, r)
			require.Contains(t, string(w.call("create_instance", args+"}").Structured), `"status":"done"`)
			requireNoCode(t, r, said)
		})
	}
}

// requireNoCode looks for the codes of all quotes in everything that comes out:
// what was said, what waits, the log, and what the journal exports.
func requireNoCode(t *testing.T, r *rig.Rig, said string) {
	t.Helper()
	waiting, err := guard.ListWaiting(t.Context(), r.Journal, vast.SystemClock{}.Now())
	require.NoError(t, err)
	shown, err := json.Marshal(waiting)
	require.NoError(t, err)
	rows, err := r.Journal.Waiting(t.Context())
	require.NoError(t, err)
	said += string(shown) + r.Log.String()
	for _, realm := range []string{journal.Own, realmOf(t, r)} {
		export, err := json.Marshal(journaltest.Events(t, r.Journal, realm))
		require.NoError(t, err)
		said += string(export)
	}
	require.NotContains(t, said, passphrase)
	for _, row := range rows {
		require.NotEmpty(t, row.Code)
		require.NotContains(t, said, row.Code)
	}
}

// realmOf is the realm that the rig's program works in.
func realmOf(t *testing.T, r *rig.Rig) string {
	t.Helper()
	user, err := r.Client.Account.Current(t.Context())
	require.NoError(t, err)
	return rental.RealmOf(r.Client.Origin(), user)
}

// withoutJournal is a program whose journal cannot be opened, and a machine on
// its account.
func withoutJournal(t *testing.T, mode guard.Mode) (*rig.Rig, vast.InstanceID) {
	t.Helper()
	inTheWay := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(inTheWay, nil, 0o600))
	r := rig.New(t, rig.Options{Market: fast(), Mode: mode, Journal: journal.New(filepath.Join(inTheWay, "journal.db"), vast.SystemClock{}.Now)})
	id, err := r.Client.Instances.Create(t.Context(), vast.OfferID(r.Offer("RTX 3090")), vast.CreateInstance{Image: "a/b", DiskGB: 10, RunType: "ssh"})
	require.NoError(t, err)
	return r, id
}

// TestDestroyingNeedsNoJournal: whoever can ask its user still can, in every era.
func TestDestroyingNeedsNoJournal(t *testing.T) {
	for _, by := range ways() {
		for answer, status := range map[string]string{yes: "done", instantNo: "approval_needed"} {
			t.Run(by.String()+" "+status, func(t *testing.T) {
				r, id := withoutJournal(t, guard.Client)
				w := dial(t, r, by, canAsk, answer)
				res := w.call("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, id))
				require.Contains(t, string(res.Structured), `"status":"`+status+`"`)
				require.Len(t, w.asked, 1)
				require.Contains(t, w.asked[0], fmt.Sprintf("Destroy instance %d", id))
				require.Contains(t, w.asked[0], "was not rented by this program")
				_, err := r.Client.Instances.Get(t.Context(), id)
				require.Equal(t, status == "done", err != nil)
				if status != "done" {
					require.Contains(t, res.Content[0].Text, "vast-mcp call destroy_instance")
				}
			})
		}
	}
}

// TestASlowNoCountsWithoutAJournalToo: and does not end the asking.
func TestASlowNoCountsWithoutAJournalToo(t *testing.T) {
	for _, by := range ways() {
		t.Run(by.String(), func(t *testing.T) {
			r, id := withoutJournal(t, guard.Client)
			w := dial(t, r, by, canAsk, instantNo)
			w.out = slowAnswers{w.out}
			args := fmt.Sprintf(`{"instance_ids":[%d]}`, id)
			require.Contains(t, string(w.call("destroy_instance", args).Structured), `"status":"declined"`)
			w.answer = yes
			require.Contains(t, string(w.call("destroy_instance", args).Structured), `"status":"done"`)
			require.Len(t, w.asked, 2)
		})
	}
}

// TestAnotherCallersRentalIsForeign: callers share the account, and nothing else.
func TestAnotherCallersRentalIsForeign(t *testing.T) {
	for _, mode := range []guard.Mode{guard.Client, guard.Auto} {
		t.Run(string(mode), func(t *testing.T) {
			r := rig.New(t, rig.Options{Market: fast(), Mode: mode})
			url := serveHTTP(t, r, annAndBob(t))
			ann := dialHTTP(t, url, way{"http", "2025-11-25", tokenOfAnn}, canAsk, yes)
			bob := dialHTTP(t, url, way{"http", "2026-07-28", tokenOfBob}, canAsk, instantNo)
			made := ann.call("create_instance", fmt.Sprintf(`{"offer_id":%d,"image":"pytorch/pytorch"}`, r.Offer("RTX 4090")))
			var of struct {
				InstanceID int64 `json:"instance_id"`
			}
			require.NoError(t, json.Unmarshal(made.Structured, &of))
			for tool, args := range map[string]string{
				"stop_instance":    fmt.Sprintf(`{"instance_id":%d}`, of.InstanceID),
				"destroy_instance": fmt.Sprintf(`{"instance_ids":[%d]}`, of.InstanceID),
			} {
				bob.asked = nil
				res := bob.call(tool, args)
				require.Contains(t, string(res.Structured), `"status":"approval_needed"`)
				require.Contains(t, string(res.Structured), "was rented by another caller")
				require.NotRegexp(t, `\bann\b`, string(res.Structured), "callers are strangers")
				require.Len(t, bob.asked, 1)
				require.Contains(t, bob.asked[0], "was rented by another caller")
			}
			ann.asked = nil
			require.Contains(t, string(ann.call("stop_instance", fmt.Sprintf(`{"instance_id":%d}`, of.InstanceID)).Structured), `"status":"done"`)
			require.Empty(t, ann.asked, "her own is hers to stop")
			require.Contains(t, string(ann.call("destroy_instance", fmt.Sprintf(`{"instance_ids":[%d]}`, of.InstanceID)).Structured), `"status":"done"`)
			require.Equal(t, mode == guard.Client, len(ann.asked) == 1)
		})
	}
}
