// Package prompts is what a person can start from: tasks in plain words, with
// what is known of the account put beside them.
//
// The one rule: a prompt does nothing and never fails for want of facts. What
// it read is marked as data, and the steps name our tools, which are guarded.
package prompts
