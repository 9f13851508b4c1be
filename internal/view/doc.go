// Package view is what an agent sees: offers, instances, the account and its
// charges as JSON for programs and as a short text for whoever reads.
//
// The one rule: text from outside is data. Labels, status messages and names
// are stripped of what could mislead a reader, secrets never enter a view, and
// the same state always gives the same bytes.
package view
