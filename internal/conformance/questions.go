package main

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// addQuestions adds the tools, and a prompt, that ask the client.
func (f fixtures) addQuestions(s *mcpserver.MCPServer) {
	name := mcp.InputRequests{"user_name": form("What is your name?", fields{"name": {"type": "string"}}, "name")}
	confirm := mcp.InputRequests{"confirm": form("Please confirm", fields{"ok": {"type": "boolean"}}, "ok")}
	capital := mcp.InputRequests{"capital_question": completion("What is the capital of France?")}
	roots := mcp.InputRequests{"client_roots": mcp.NewRootsInputRequest()}
	all := mcp.InputRequests{
		"user_name": name["user_name"], "greeting": completion("Generate a greeting"), "client_roots": mcp.NewRootsInputRequest(),
	}
	color := mcp.InputRequests{"step2": form("Step 2: What is your favorite color?", fields{"color": {"type": "string"}}, "color")}
	for tool, rounds := range map[string][]mcp.InputRequests{
		"test_input_required_result_elicitation":     {name},
		"test_input_required_result_sampling":        {capital},
		"test_input_required_result_list_roots":      {roots},
		"test_input_required_result_request_state":   {confirm},
		"test_input_required_result_tampered_state":  {confirm},
		"test_input_required_result_multiple_inputs": {all},
		"test_input_required_result_capabilities":    {all},
		"test_input_required_result_multi_round":     {{"step1": form("Step 1: What is your name?", fields{"name": {"type": "string"}}, "name")}, color},
		"test_streaming_elicitation":                 {name},
		"test_missing_capability":                    {capital},
		"test_elicitation_sep1034_defaults":          {{"defaults": form("Please fill in the form", defaults())}},
		"test_elicitation_sep1330_enums":             {{"enums": form("Please choose", enums())}},
	} {
		f.tool(s, mcp.NewTool(tool, mcp.WithDescription("Asks the client.")), func(mcp.CallToolRequest) []mcp.InputRequests { return rounds })
	}
	f.addEchoes(s)
	f.addQuestionPrompt(s)
}

// addEchoes adds the tools that ask what their argument says.
func (f fixtures) addEchoes(s *mcpserver.MCPServer) {
	f.tool(s, mcp.NewTool("test_sampling", mcp.WithDescription("Asks the client's model."), mcp.WithString("prompt", mcp.Required())),
		func(req mcp.CallToolRequest) []mcp.InputRequests {
			return []mcp.InputRequests{{"completion": completion(req.GetString("prompt", ""))}}
		})
	f.tool(s, mcp.NewTool("test_elicitation", mcp.WithDescription("Asks the user."), mcp.WithString("message", mcp.Required())),
		func(req mcp.CallToolRequest) []mcp.InputRequests {
			return []mcp.InputRequests{{"user": form(req.GetString("message", ""), fields{
				"username": {"type": "string", "description": "User's response"},
				"email":    {"type": "string", "description": "User's email address"},
			}, "username", "email")}}
		})
}

func (f fixtures) addQuestionPrompt(s *mcpserver.MCPServer) {
	d := dialogue{"test_input_required_result_prompt", []mcp.InputRequests{
		{"user_context": form("What context should the prompt use?", fields{"context": {"type": "string"}}, "context")},
	}}
	s.AddPrompt(mcp.NewPrompt(d.name, mcp.WithPromptDescription("Asks the client.")), func(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		next, err := f.hold(ctx, d, req.Params.MultiRoundTripParams)
		if err != nil {
			return nil, err
		}
		if len(next.InputRequests) > 0 {
			return &mcp.GetPromptResult{Result: mcp.Result{ResultType: mcp.ResultTypeInputRequired}, MultiRoundTripResult: next}, nil
		}
		return &mcp.GetPromptResult{Messages: []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent("The context is given."))}}, nil
	})
}

// fields are the properties of a form.
type fields map[string]map[string]any

func form(message string, properties fields, required ...string) mcp.InputRequest {
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return mcp.NewElicitationInputRequest(mcp.ElicitationParams{Mode: mcp.ElicitationModeForm, Message: message, RequestedSchema: schema})
}

func completion(prompt string) mcp.InputRequest {
	return mcp.NewSamplingInputRequest(mcp.CreateMessageParams{
		Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent(prompt)}},
		MaxTokens: 100,
	})
}

// defaults has a default of every primitive type.
func defaults() fields {
	return fields{
		"name":     {"type": "string", "default": "John Doe"},
		"age":      {"type": "integer", "default": 30},
		"score":    {"type": "number", "default": 95.5},
		"status":   {"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
		"verified": {"type": "boolean", "default": true},
	}
}

// enums has every way to write a choice.
func enums() fields {
	options := []string{"option1", "option2", "option3"}
	titled := []map[string]string{
		{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}, {"const": "value3", "title": "Third Option"},
	}
	return fields{
		"untitledSingle": {"type": "string", "enum": options},
		"titledSingle":   {"type": "string", "oneOf": titled},
		"legacyEnum":     {"type": "string", "enum": []string{"opt1", "opt2", "opt3"}, "enumNames": []string{"Option One", "Option Two", "Option Three"}},
		"untitledMulti":  {"type": "array", "items": map[string]any{"type": "string", "enum": options}},
		"titledMulti":    {"type": "array", "items": map[string]any{"anyOf": titled}},
	}
}
