//go:build !race

package faults_test

// seeds is how many schedules a plain test run plays. The variable FAULTS asks
// for more, and FAULTSEED for one alone, with its trace.
const seeds = 200

// leaseSeeds is likewise how many schedules of leases.
const leaseSeeds = 30
