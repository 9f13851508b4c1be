// Package cli holds the commands of vast-mcp, and is the only reader of its
// environment and configuration files.
//
// The one rule: stdout belongs to the protocol or to the result; everything
// else goes to stderr, and neither ever shows a key.
package cli
