//go:build race

package faults_test

// seeds is how many schedules are played under the race detector, which takes
// ten times as long for each.
const seeds = 40

// leaseSeeds is likewise how many schedules of leases.
const leaseSeeds = 5
