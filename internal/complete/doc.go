// Package complete guesses what somebody who is typing means.
//
// The one rule: a guess is never an error and never in the way. What cannot be
// read completes to what was known before, or to nothing.
package complete
