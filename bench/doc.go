// Package bench measures the program from the outside: the time from start to
// initialize, and what a tool call costs on top of the market's own work.
//
// The one rule: benchmarks are run and read, never asserted; machines differ,
// so ratios count.
package bench
