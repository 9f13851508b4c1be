// Package tool says what a tool is. A tool is declared once, as an input
// struct, an output struct, one or two funcs and a [Spec]; its JSON Schemas,
// the validation of arguments and its messages, defaults, annotations, the
// guard in front of it, README row and golden file all derive from those.
//
// The one rule: the order is decode, validate, plan, judge, ask, do. What
// cannot be done never asks, and nothing is done that was not asked.
package tool
