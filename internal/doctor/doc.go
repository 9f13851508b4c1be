// Package doctor looks for what keeps vast-mcp from working, or from being
// safe to leave alone with money, and names the fix of each thing it finds.
//
// The one rule: it only looks. It makes no file or folder, writes nothing to
// the journal and sends nothing that changes the account. What it needs of the
// API it asks for once.
package doctor
