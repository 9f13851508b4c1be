package tool

import (
	"context"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"vast-mcp/guard"
)

// legacyAskWithin is how long an older client may take to answer. Its question
// is a request of ours inside its own call, which it gives up on after a minute.
const legacyAskWithin = 40 * time.Second

// afterYes is how long the work may take after a late yes.
const afterYes = 15 * time.Second

// questionID is the key of our one question among the input requests.
const questionID = "approve"

// reply is what came of asking.
type reply int

const (
	cannotAsk reply = iota // or nobody answered in a way that counts
	pending                // the question goes out as the result of this call
	answeredYes
	answeredNo
)

// question is the form that asks for a yes. Only accept together with a true
// counts: some clients submit the defaults when a person just presses Enter.
func question(q *Quote) mcp.ElicitationParams {
	return mcp.ElicitationParams{
		Mode:    mcp.ElicitationModeForm,
		Message: "Approve this?\n" + q.Text(),
		RequestedSchema: map[string]any{
			"type": "object",
			"properties": map[string]any{
				"approve": map[string]any{"type": "boolean", "title": "Approve", "description": "Yes, go ahead", "default": false},
			},
			"required": []string{"approve"},
		},
	}
}

// canAskForm reports whether the peer declared form elicitation. A client that
// declares elicitation without naming a mode means forms.
func canAskForm(c *mcp.ElicitationCapability) bool {
	return c != nil && (c.Form != nil || c.URL == nil)
}

// ask puts q to the client, in the way of its protocol era. It never fails:
// whatever goes wrong ends in cannotAsk, and so in a request for approval.
func (r *Runner) ask(ctx context.Context, req request, q guard.Quote) (reply, guard.Answer) {
	if q.Unwritten && req.local {
		return r.askLocal(ctx, q)
	}
	if !q.Asks {
		return cannotAsk, guard.Answer{}
	}
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		if info.ClientCapabilities == nil || !canAskForm(info.ClientCapabilities.Elicitation) {
			return cannotAsk, guard.Answer{}
		}
		return r.askModern(req, q)
	}
	session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo)
	if !ok || !canAskForm(session.GetClientCapabilities().Elicitation) {
		return cannotAsk, guard.Answer{}
	}
	return r.askLegacy(ctx, q)
}

// askLocal asks whoever runs the command, while no other command could approve
// the quote.
func (r *Runner) askLocal(ctx context.Context, q guard.Quote) (reply, guard.Answer) {
	if r.confirm == nil {
		return cannotAsk, guard.Answer{}
	}
	yes, err := r.confirm(ctx, r.showQuote(q).Text())
	switch {
	case err != nil:
		r.log.Info("nobody could be asked on a terminal", "quote", q.ID, "err", err)
		return cannotAsk, guard.Answer{}
	case yes:
		return answeredYes, guard.Answer{Yes: true}
	}
	return answeredNo, guard.Answer{}
}

// askModern reads the answer that came with this request, if it answers q.
func (r *Runner) askModern(req request, q guard.Quote) (reply, guard.Answer) {
	if req.state != q.ID {
		return pending, guard.Answer{}
	}
	result := server.ElicitationResponse(req.answers, questionID)
	if result == nil {
		return pending, guard.Answer{}
	}
	return judgeReply(result, r.guard.SinceAsked(q))
}

// askLegacy sends the question and waits.
func (r *Runner) askLegacy(ctx context.Context, q guard.Quote) (reply, guard.Answer) {
	ctx, cancel := context.WithTimeout(ctx, legacyAskWithin)
	defer cancel()
	began := r.now()
	result, err := server.ServerFromContext(ctx).RequestElicitation(ctx, mcp.ElicitationRequest{
		Request: mcp.Request{Method: string(mcp.MethodElicitationCreate)},
		Params:  question(r.showQuote(q)),
	})
	if err != nil || result == nil {
		r.log.Info("the client did not answer the question", "quote", q.ID, "err", err)
		return cannotAsk, guard.Answer{}
	}
	return judgeReply(result, max(r.now().Sub(began), 1))
}

func judgeReply(result *mcp.ElicitationResult, took time.Duration) (reply, guard.Answer) {
	a := guard.Answer{Via: guard.ViaClient, Took: took}
	switch result.Action {
	case mcp.ElicitationResponseActionAccept:
		content, _ := result.Content.(map[string]any)
		a.Yes, _ = content["approve"].(bool)
	case mcp.ElicitationResponseActionDecline, mcp.ElicitationResponseActionCancel:
	default:
		return cannotAsk, a
	}
	switch {
	case a.Yes:
		return answeredYes, a
	case a.Unasked():
		return cannotAsk, a
	}
	return answeredNo, a
}

// inputRequired asks a modern client: the question is the result of the call,
// which the client then repeats with the answer. The state is the quote's ID
// and nothing else; the guard holds the rest.
func (r *Runner) inputRequired(q guard.Quote) *mcp.CallToolResult {
	return server.NewInputRequestBuilder(q.ID).Elicit(questionID, question(r.showQuote(q))).ToolResult()
}
