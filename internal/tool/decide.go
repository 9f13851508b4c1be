package tool

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mark3labs/mcp-go/mcp"

	"vast-mcp/guard"
	"vast-mcp/journal"
)

// job is one guarded call, its types erased.
type job struct {
	call guard.Call
	end  bool // it only ends something, so it must work with the journal out of order
	plan func(context.Context) (guard.Plan, error)
	fit  func(context.Context, guard.Plan, *guard.Refusal) string
	do   func(context.Context, *guard.Grant) (decided, error)
}

// decide takes a guarded call from its plan to its result.
func (r *Runner) decide(ctx context.Context, req request, j job) *mcp.CallToolResult {
	grant, err := r.guard.Resume(ctx, j.call)
	if err != nil && (!j.end || ctx.Err() != nil) {
		return r.failed(j.call.Tool, err)
	}
	if grant != nil {
		res, err := r.carryOut(ctx, req, j, grant)
		if !errors.Is(err, guard.ErrOver) {
			return res
		}
	}
	return r.fresh(ctx, req, j)
}

// fresh plans, judges and asks.
func (r *Runner) fresh(ctx context.Context, req request, j job) *mcp.CallToolResult {
	plan, err := j.plan(ctx)
	if err != nil {
		return r.twin(ctx, req, j, err)
	}
	quote, err := r.guard.Quote(ctx, j.call, plan)
	if err != nil {
		return r.twin(ctx, req, j, j.withFit(ctx, plan, err))
	}
	if quote.Ready {
		return r.redeem(ctx, req, j, quote, plan)
	}
	switch got, answer := r.ask(ctx, req, quote); got {
	case pending:
		if err := r.guard.Asked(ctx, quote); err != nil {
			return r.twin(ctx, req, j, err)
		}
		return r.inputRequired(quote)
	case answeredYes, answeredNo:
		return r.answered(ctx, req, j, quote, answer)
	case cannotAsk:
	}
	return success(r.approvalNeeded(j.call.Tool, quote))
}

// answered records what the client's user said and, after a yes, prices the
// call again: an answer can be minutes old.
func (r *Runner) answered(ctx context.Context, req request, j job, quote guard.Quote, answer guard.Answer) *mcp.CallToolResult {
	quote, err := r.guard.Answer(ctx, quote, answer)
	if errors.Is(err, guard.ErrNeedsPassphrase) { // an approver was set while it was asked
		return r.fresh(ctx, req, j)
	}
	if err != nil {
		return r.twin(ctx, req, j, err)
	}
	if !answer.Yes {
		return success(declined())
	}
	ctx, cancel := r.extend(ctx, req, afterYes)
	defer cancel()
	plan, err := j.plan(ctx)
	if err != nil {
		return r.twin(ctx, req, j, err)
	}
	if !quote.Unwritten {
		if quote, err = r.guard.Quote(ctx, j.call, plan); err != nil {
			return r.twin(ctx, req, j, err)
		}
	}
	if !quote.Ready {
		return success(r.approvalNeeded(j.call.Tool, quote))
	}
	return r.redeem(ctx, req, j, quote, plan)
}

func (r *Runner) redeem(ctx context.Context, req request, j job, quote guard.Quote, plan guard.Plan) *mcp.CallToolResult {
	grant, err := r.guard.Redeem(ctx, j.call, quote, plan)
	if err != nil {
		return r.twin(ctx, req, j, err)
	}
	res, _ := r.carryOut(ctx, req, j, grant)
	return res
}

// twin answers a call that failed on its way to a grant. If an identical call
// that ran beside it was granted meanwhile, this one has its result: "the offer
// is gone" must not be said to whoever just rented it.
func (r *Runner) twin(ctx context.Context, req request, j job, cause error) *mcp.CallToolResult {
	grant, err := r.guard.Resume(ctx, j.call)
	switch {
	case err != nil && ctx.Err() != nil:
		return r.failed(j.call.Tool, ctx.Err()) // whether one was granted was not found out
	case err != nil || grant == nil:
		return r.failed(j.call.Tool, cause)
	}
	res, _ := r.carryOut(ctx, req, j, grant)
	return res
}

// carryOut does what was granted and records what the caller is told, or that
// its call ended before it could be. The error is the one that the result tells of.
func (r *Runner) carryOut(ctx context.Context, req request, j job, grant *guard.Grant) (*mcp.CallToolResult, error) {
	out, err := j.do(ctx, grant)
	var status Status
	var result json.RawMessage
	if err == nil {
		status, result = out.decision().Status, structured(out)
	}
	if err := grant.Tell(ctx, req.parent.Err() == nil, string(status), result); err != nil {
		r.log.Warn("the outcome could not be recorded", "tool", j.call.Tool, "err", err)
	}
	if err != nil {
		return r.failed(j.call.Tool, err), err
	}
	return success(out), nil
}

// failed is the result of a guarded call that failed. That an identical call
// was faster is no defect of this program.
func (r *Runner) failed(tool string, err error) *mcp.CallToolResult {
	overtaken := errors.Is(err, guard.ErrGranted) || errors.Is(err, journal.ErrMoved)
	if overtaken && !errors.Is(err, guard.ErrOver) && r.explain(err) == nil {
		err = Fail(NotReady, "an identical call came first and is not finished, or is over by now").
			Hint("call again with the same arguments in a moment: nothing is done twice")
	}
	return r.fail(tool, err)
}
