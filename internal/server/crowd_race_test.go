//go:build race

package server_test

// crowd is how many redeem at once under the race detector, which takes ten
// times as long for each.
const crowd = 20
