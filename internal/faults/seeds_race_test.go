//go:build race

package faults_test

// seeds is how many schedules are played under the race detector, which takes
// ten times as long for each.
const seeds = 40
