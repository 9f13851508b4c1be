// Command bare is the smallest server that the MCP library makes: one tool that
// echoes its argument, over stdin and stdout, or over HTTP with the argument
// http. The program is measured beside it.
//
// The one rule: nothing in it is ours, so that a ratio says what we add.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func main() {
	s := server.NewMCPServer("bare", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("echo", mcp.WithDescription("Echoes."), mcp.WithString("text", mcp.Required())), echo)
	if len(os.Args) < 2 {
		log.Fatal(server.ServeStdio(s))
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/mcp\n", l.Addr())
	srv := &http.Server{Handler: server.NewStreamableHTTPServer(s), ReadHeaderTimeout: time.Minute}
	log.Fatal(srv.Serve(l))
}

func echo(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	text, err := req.RequireString("text")
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}
	return mcp.NewToolResultText(text), nil
}
