// Package install writes this MCP server into the configuration of MCP clients
// and takes it out again.
//
// The one rule: an edit touches our own entry and nothing else. Other keys keep
// their bytes, comments and order; each edit is read back and compared before
// it is written; and a file that does not allow it is left as it is.
package install
