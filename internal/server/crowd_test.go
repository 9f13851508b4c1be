//go:build !race

package server_test

// crowd is how many redeem at once.
const crowd = 100
