// Package faultpoint kills this very process at named points on the money path,
// so that tests can see what is found after a restart.
//
// The one rule: without the build tag faultpoints it does nothing and reads
// nothing.
package faultpoint
