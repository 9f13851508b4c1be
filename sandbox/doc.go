// Package sandbox is a simulated Vast.ai marketplace: an http.Handler that
// answers like the real API, with its own clock, seed, ledger and faults. It
// is there to rehearse an agent before it touches money, and to test against
// without an account.
//
// The one rule it keeps: what the market is at a moment follows from its
// seed, what was asked of it, and the time. Nobody's reading changes it, so
// several processes share one market through a file and see the same. The
// weather keeps it, too: what fails is drawn when something is rented, or is a
// fault that was asked for.
//
//	m, err := sandbox.Open(sandbox.Options{})
//	client := &http.Client{Transport: m.Transport()}
//	client.Get(m.Origin() + "/api/v0/gpu_names/unique/")
package sandbox
