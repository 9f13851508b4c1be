// Package tools declares what an agent may do: one file per toolset or noun,
// each tool declared once, with a thin handler.
//
// The one rule: a handler holds no policy, no price arithmetic and no MCP. It
// turns arguments into a call of the market, the desk or the watcher, and the
// answer into a view.
package tools
