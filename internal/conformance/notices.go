package main

import (
	"context"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

// beat is the pause after each notice. The library sends notices from a queue of
// their own, which a result that follows at once would overtake.
const beat = 50 * time.Millisecond

// notice makes the server send a notification.
type notice func(ctx context.Context, s *mcpserver.MCPServer, meta *mcp.Meta) error

// addNotices adds the tools that send notifications while they run.
func (f fixtures) addNotices(s *mcpserver.MCPServer) {
	f.notify(s, "test_tool_with_logging", "Logs three messages.",
		logged("Tool execution started"), logged("Tool processing data"), logged("Tool execution completed"))
	f.notify(s, "test_logging_tool", "Logs a message.", logged("Tool executed"))
	f.notify(s, "test_tool_with_progress", "Reports progress.", progressed(0), progressed(50), progressed(100))
	f.notify(s, "test_trigger_tool_change", "Changes the list of tools, and back.", passingTool)
	f.notify(s, "test_trigger_prompt_change", "Changes the list of prompts, and back.", passingPrompt)
}

func (f fixtures) notify(s *mcpserver.MCPServer, name, doc string, notices ...notice) {
	s.AddTool(mcp.NewTool(name, mcp.WithDescription(doc)), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, send := range notices {
			if err := send(ctx, s, req.Params.Meta); err != nil {
				return nil, err
			}
			if err := f.clock.Sleep(ctx, beat); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("done"), nil
	})
}

func logged(message string) notice {
	return func(ctx context.Context, s *mcpserver.MCPServer, _ *mcp.Meta) error {
		return s.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "conformance", message))
	}
}

func progressed(percent float64) notice {
	return func(ctx context.Context, s *mcpserver.MCPServer, meta *mcp.Meta) error {
		if meta == nil || meta.ProgressToken == nil {
			return nil
		}
		return s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
			"progressToken": meta.ProgressToken, "progress": percent, "total": 100,
		})
	}
}

func passingTool(_ context.Context, s *mcpserver.MCPServer, _ *mcp.Meta) error {
	const name = "test_passing_tool"
	answer(s, name, "Is here for a moment.", false)
	s.DeleteTools(name)
	return nil
}

func passingPrompt(_ context.Context, s *mcpserver.MCPServer, _ *mcp.Meta) error {
	const name = "test_passing_prompt"
	prompt(s, name, "Is here for a moment.", nil, func(map[string]string) []mcp.Content { return nil })
	s.DeletePrompts(name)
	return nil
}
