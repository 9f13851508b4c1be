package main

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

const (
	// redPixel is a PNG of one pixel.
	redPixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	// silence is a WAV of one sample.
	silence = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="
)

func text(uri, kind, content string) mcp.TextResourceContents {
	return mcp.TextResourceContents{URI: uri, MIMEType: kind, Text: content}
}

// answer adds a tool that takes nothing and always gives the same result.
func answer(s *mcpserver.MCPServer, name, doc string, isError bool, content ...mcp.Content) {
	s.AddTool(mcp.NewTool(name, mcp.WithDescription(doc)), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: content, IsError: isError}, nil
	})
}

// addContents adds the tools that show each kind of content.
func addContents(s *mcpserver.MCPServer) {
	image := mcp.NewImageContent(redPixel, "image/png")
	answer(s, "test_simple_text", "Returns a text.", false, mcp.NewTextContent("This is a simple text response for testing."))
	answer(s, "test_image_content", "Returns an image.", false, image)
	answer(s, "test_audio_content", "Returns a sound.", false, mcp.NewAudioContent(silence, "audio/wav"))
	answer(s, "test_embedded_resource", "Returns a resource.", false,
		mcp.NewEmbeddedResource(text("test://embedded-resource", "text/plain", "This is an embedded resource content.")))
	answer(s, "test_multiple_content_types", "Returns a text, an image and a resource.", false,
		mcp.NewTextContent("Multiple content types test:"), image,
		mcp.NewEmbeddedResource(text("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`)))
	answer(s, "test_error_handling", "Always fails.", true, mcp.NewTextContent("This tool intentionally returns an error for testing"))
}
