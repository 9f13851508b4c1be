package main

import (
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

func addPrompts(s *mcpserver.MCPServer) {
	prompt(s, "test_simple_prompt", "Says one thing.", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewTextContent("This is a simple prompt for testing.")}
	})
	prompt(s, "test_prompt_with_arguments", "Repeats its arguments.", []string{"arg1", "arg2"}, func(args map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewTextContent(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", args["arg1"], args["arg2"]))}
	})
	prompt(s, "test_prompt_with_embedded_resource", "Carries a resource.", []string{"resourceUri"}, func(args map[string]string) []mcp.Content {
		return []mcp.Content{
			mcp.NewEmbeddedResource(text(args["resourceUri"], "text/plain", "Embedded resource content for testing.")),
			mcp.NewTextContent("Please process the embedded resource above."),
		}
	})
	prompt(s, "test_prompt_with_image", "Carries an image.", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewImageContent(redPixel, "image/png"), mcp.NewTextContent("Please analyze the image above.")}
	})
}

// prompt adds a prompt with required arguments that says each content as a
// message of the user.
func prompt(s *mcpserver.MCPServer, name, doc string, args []string, say func(map[string]string) []mcp.Content) {
	options := []mcp.PromptOption{mcp.WithPromptDescription(doc)}
	for _, arg := range args {
		options = append(options, mcp.WithArgument(arg, mcp.ArgumentDescription("A text."), mcp.RequiredArgument()))
	}
	s.AddPrompt(mcp.NewPrompt(name, options...), func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		var messages []mcp.PromptMessage
		for _, content := range say(req.Params.Arguments) {
			messages = append(messages, mcp.NewPromptMessage(mcp.RoleUser, content))
		}
		return &mcp.GetPromptResult{Messages: messages}, nil
	})
}
