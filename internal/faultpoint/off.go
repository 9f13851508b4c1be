//go:build !faultpoints

package faultpoint

// Env is the variable that names the point to die at; empty: there is none.
const Env = ""

// Hit does nothing.
func Hit(Point) {}
