// Package guard decides whether money may be spent and things may be
// destroyed: plan, quote, verdict, approval, grant.
//
// A plan says what would be done and at what rate. A quote is a plan with an
// ID, a price and an expiry. The owner's policy gives the verdict: deny, ask
// or allow. An approval is a yes and how it came. A grant is leave to do it
// once, and only [Guard.Redeem] makes one.
//
// The one rule: caps are judged again inside the transaction that redeems, so
// that quotes approved side by side cannot pass together a limit that each
// passes alone. Whatever cannot be read counts against.
//
// The package knows money and policy. It knows nothing of Vast.ai or MCP.
package guard
