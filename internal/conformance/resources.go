package main

import (
	"context"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"
)

func addResources(s *mcpserver.MCPServer) {
	resource(s, "static-text", "text/plain", text("test://static-text", "text/plain", "This is the content of the static text resource."))
	resource(s, "static-binary", "image/png", mcp.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png", Blob: redPixel})
	resource(s, "watched-resource", "text/plain", text("test://watched-resource", "text/plain", "This can be subscribed to."))
	s.AddResourceTemplate(mcp.NewResourceTemplate("test://template/{id}/data", "template",
		mcp.WithTemplateDescription("Names the id in its address."), mcp.WithTemplateMIMEType("application/json")), readTemplate)
}

// resource adds a resource at test://name that never changes.
func resource(s *mcpserver.MCPServer, name, kind string, content mcp.ResourceContents) {
	s.AddResource(mcp.NewResource("test://"+name, name, mcp.WithResourceDescription("Never changes."), mcp.WithMIMEType(kind)),
		func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{content}, nil
		})
}

func readTemplate(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	id, _ := req.Params.Arguments["id"].([]string)
	if len(id) != 1 {
		return nil, fmt.Errorf("%s names no id", req.Params.URI)
	}
	content := fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id[0], id[0])
	return []mcp.ResourceContents{text(req.Params.URI, "application/json", content)}, nil
}
