// Package resources is what a client may read without calling a tool: the
// instances and their logs, the account, its charges and the owner's policy.
//
// The one rule: a resource shows what the tools show, in the same shapes and
// as JSON of at most 32 KiB, and says what it left out. Reading one changes
// nothing and costs nothing.
package resources
