// Package server assembles the MCP server from its parts and serves it.
//
// The one rule: what is assembled here is the same for stdio, for the command
// line and for tests; only the transport differs.
package server
