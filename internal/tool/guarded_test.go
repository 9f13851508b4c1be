package tool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vast-mcp/guard"
	"vast-mcp/internal/tool"
	"vast-mcp/journal"
)

// account is one on which nothing runs.
type account struct{}

func (account) Realm(context.Context) (string, error) { return "here", nil }

func (account) Exposure(context.Context, guard.Need) (guard.Exposure, error) {
	return guard.Exposure{At: time.Now()}, nil
}

type output struct{ tool.Decision }

func (output) Text() string { return "" }

// runner runs tools in a world where nothing may be rented.
func runner(t *testing.T, all ...tool.Tool) (*journal.Journal, *tool.Runner) {
	t.Helper()
	return runnerIn(t, guard.Operator, all...)
}

func runnerIn(t *testing.T, mode guard.Mode, all ...tool.Tool) (*journal.Journal, *tool.Runner) {
	t.Helper()
	j := journal.New("", time.Now)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	g := guard.New(guard.Config{
		Journal: j, World: account{}, Mode: mode, Now: time.Now, Policy: guard.Policy{MaxInstances: new(0)},
		Key: func() ([]byte, error) { return []byte("a key for tests that is long enough"), nil },
	})
	return j, tool.NewRunner(tool.Config{
		Guard: g, Log: slog.New(slog.DiscardHandler), Explain: func(error) *tool.Failure { return nil },
		Caller: func(context.Context) string { return "test" }, ApproveCommand: func(code string) string { return code },
		AnswerWithin: time.Minute, Now: time.Now,
	}, []tool.Set{{Name: "all", Tools: all}})
}

// TestAPlanIsJudgedByWhatItsToolIsDeclaredToDo: a planner that calls spending
// something else does not get around the caps.
func TestAPlanIsJudgedByWhatItsToolIsDeclaredToDo(t *testing.T) {
	lie := func(e guard.Effect) tool.Guarded[struct{}, output] {
		return tool.Guarded[struct{}, output]{
			Plan: func(context.Context, tool.Call, struct{}) (guard.Plan, error) {
				return guard.Plan{Effect: e, Kind: guard.KindCreate, Summary: "Do it", Rate: 5_000_000, Lease: time.Hour}, nil
			},
		}
	}
	spend := tool.Spend(tool.Spec{Name: "spend_it"}, lie(guard.Destroy))
	destroy := tool.Destroy(tool.Spec{Name: "destroy_it"}, lie(guard.Spend))
	access := tool.Access(tool.Spec{Name: "let_in"}, lie(""))
	j, r := runner(t, spend, destroy, access)

	res := r.Call(t.Context(), spend, json.RawMessage(`{}`), nil)
	require.NotNil(t, res.Failure)
	require.Equal(t, tool.OverPolicy, res.Failure.Code)
	for _, x := range []tool.Tool{destroy, access} {
		require.Equal(t, tool.ApprovalNeeded, r.Call(t.Context(), x, json.RawMessage(`{}`), nil).Status)
	}
	waiting, err := guard.ListWaiting(t.Context(), j, time.Now())
	require.NoError(t, err)
	effects := map[string]guard.Effect{}
	for _, w := range waiting {
		effects[w.Tool] = w.Plan.Effect
	}
	require.Equal(t, map[string]guard.Effect{"destroy_it": guard.Destroy, "let_in": guard.Access}, effects)
}

// TestWhoeverComesSecondIsNoDefect: losing to an identical call is an answer
// that says what to do.
func TestWhoeverComesSecondIsNoDefect(t *testing.T) {
	for _, lost := range []error{guard.ErrGranted, journal.ErrMoved, fmt.Errorf("intent: %w", journal.ErrMoved)} {
		_, r := runner(t, tool.Access(tool.Spec{Name: "let_in"}, tool.Guarded[struct{}, output]{
			Plan: func(context.Context, tool.Call, struct{}) (guard.Plan, error) {
				return guard.Plan{Kind: guard.KindAct, Free: true, Nonce: "n"}, nil
			},
			Do: func(context.Context, tool.Call, *guard.Grant, struct{}) (output, error) { return output{}, lost },
		}))
		x, found := r.Find("let_in")
		require.True(t, found)
		res := r.Call(t.Context(), x, json.RawMessage(`{}`), nil)
		require.NotNil(t, res.Failure)
		require.Equal(t, tool.NotReady, res.Failure.Code, lost)
		require.True(t, res.Failure.Again)
		require.Contains(t, res.Failure.Next, "same arguments")
	}
}
