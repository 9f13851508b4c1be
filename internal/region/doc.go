// Package region knows places: how people name them, how the API filters by
// them, and how its answers spell them.
//
// The one rule: a name that means nothing resolves to nothing. The API takes
// any code and answers an empty list, which reads as "no such offer".
package region
