// Package rental is the only caller of operations that cost money or end
// something. It prices plans for the guard and carries out what was granted.
//
// The one rule: an order goes on the wire at most once, and "rented" is said
// only of a machine that was seen with our nonce in its label. An answer that
// was lost is looked for, never ordered again.
package rental
