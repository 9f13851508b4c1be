package tools

import (
	"errors"
	"math"

	"vast-mcp/guard"
	"vast-mcp/internal/plain"
	"vast-mcp/internal/tool"
	"vast-mcp/internal/watch"
	"vast-mcp/rental"
	"vast-mcp/vast"
)

// Explain turns the errors of the API and of the desk into failures that name
// the next step. It returns nil for errors that it does not know.
func Explain(err error) *tool.Failure {
	if bad, ok := errors.AsType[*rental.BadRequest](err); ok {
		return tool.Fail(tool.InvalidArguments, "%s: %s", bad.Field, bad.Problem).Hint("%s", bad.Next)
	}
	if failed, ok := errors.AsType[*rental.NotRented](err); ok {
		return notRented(failed)
	}
	if news, ok := errors.AsType[*guard.Untold](err); ok {
		return untold(news)
	}
	if errors.Is(err, watch.ErrGone) {
		return tool.Fail(tool.NotFound, "there is no such instance on this account: it was destroyed, or never was").Hint("list_instances shows what there is")
	}
	failed, ok := errors.AsType[*vast.Error](err)
	if !ok {
		return nil
	}
	e, known := explanations()[failed.Code]
	if !known {
		e = explanations()[vast.Refused]
	}
	message := e.message
	switch said := plain.Line(failed.Message, 300); {
	case said == "":
	case failed.Code == vast.NotFound:
		message = said
	case e.quote:
		message += ": " + said
	}
	f := tool.Fail(e.code, "%s", message).Hint("%s", e.next)
	if failed.Code == vast.Throttled && failed.RetryAfter > 0 {
		return f.Hint("call again in %.0f s", math.Ceil(failed.RetryAfter.Seconds()))
	}
	return f
}

// notRented explains an order that led to nothing that runs.
func notRented(failed *rental.NotRented) *tool.Failure {
	f := tool.Fail(tool.NotRented, "not rented: %s", failed.Why)
	if len(failed.Removing) > 0 {
		return tool.Fail(tool.NotRented, "not rented: %s. What the order made is being removed: %v", failed.Why, failed.Removing).
			Hint("search_offers again and take another offer; list_instances shows when it is gone")
	}
	return f.Hint("search_offers again and take another offer")
}

// untold explains that the caller has a machine already, or may have.
func untold(news *guard.Untold) *tool.Failure {
	f := tool.Fail(tool.Undelivered, "%s", news.Error())
	if news.Instance == 0 {
		return f.Hint("look at list_instances in half a minute; only if you want another machine as well, make this same call again")
	}
	return f.Hint("get_instance %d shows it, destroy_instance ends it; only if you want another machine as well, make this same call again", news.Instance)
}

type explanation struct {
	code          tool.Code
	message, next string
	quote         bool // what the API said helps
}

// explanations is the one table from the vendor's codes to ours. The hints
// name tools, which is why it stands here.
func explanations() map[vast.Code]explanation {
	return map[vast.Code]explanation{
		vast.NoKey:       {tool.NoKey, "no Vast.ai API key is configured", "create a key at https://cloud.vast.ai/manage-keys/ and set VAST_API_KEY, or start with --sandbox to try without an account", false},
		vast.Denied:      {tool.AccessDenied, "the API refused the key", "check the key and its permissions at https://cloud.vast.ai/manage-keys/", true},
		vast.Invalid:     {tool.InvalidArguments, "the API refused the request", "correct the argument that it names", true},
		vast.NotFound:    {tool.NotFound, "there is no such thing on this account", "check the id or hash; list_instances and list_ssh_keys show what there is", true},
		vast.Taken:       {tool.OfferGone, "the offer is not available any more; this call rented nothing", "search_offers again and take another offer_id", false},
		vast.Broke:       {tool.InsufficientFunds, "the account lacks credit", "add credit at https://cloud.vast.ai/billing/, or destroy what is not needed", true},
		vast.Queued:      {tool.GPUsTaken, "the GPUs of this instance are rented to somebody else; it was not started and does not wait in the queue", "try again later, or search_offers and rent another", false},
		vast.Throttled:   {tool.RateLimited, "the API asks for fewer calls", "wait ten seconds and call again", false},
		vast.Unavailable: {tool.Unavailable, "the API could not be reached or failed", "call again in a moment", true},
		vast.Deprecated:  {tool.RefusedByAPI, "the API has retired this request", "update vast-mcp", true},
		vast.Garbled:     {tool.BadAnswer, "the API answered something that cannot be understood", "call again in a moment", true},
		vast.Incomplete:  {tool.BadAnswer, "the API's list of instances is not complete, so nothing can be concluded from it", "call again in a moment", false},
		vast.Refused:     {tool.RefusedByAPI, "the API refused", "read what it said and correct the call", true},
		vast.NotReady:    {tool.NotReady, "the logs are not there yet", "call again in half a minute; an instance that is still pulling its image has none", false},
	}
}
