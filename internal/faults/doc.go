// Package faults holds no program: its tests put two processes on one journal
// and one simulated market, let the market fail, the processes die and the
// clocks jump, and then count.
//
// The one rule: what is counted comes from the market's ledger and from the
// wire, never from what the program says of itself.
package faults
