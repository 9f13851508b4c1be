// Command bench measures the program from the outside, beside the smallest
// server that the MCP library makes: the time from start to initialize, what a
// tool call costs, and memory. It prints Markdown tables.
//
// The one rule: both servers are measured in turns in the same run, because
// machines differ; ratios count, and nothing is asserted.
package main
