// Package vast is a client for the API of the Vast.ai GPU market: it searches
// offers, rents them, and looks after what was rented. The one rule it keeps
// is that it never repeats a call that may have had an effect which a second
// one would double.
//
//	client, err := vast.NewClient(os.Getenv("VAST_API_KEY"))
//	if err != nil {
//		return err
//	}
//	offers, err := client.Offers.Search(ctx, vast.OfferQuery{
//		Filter: vast.Filter{}.
//			With("gpu_name", "eq", "RTX 4090").
//			With("verified", "eq", true).
//			With("rentable", "eq", true),
//		DiskGB: 20,
//	})
//	if err != nil || len(offers) == 0 {
//		return err
//	}
//	id, err := client.Instances.Create(ctx, offers[0].ID, vast.CreateInstance{
//		Image: "vastai/pytorch:2.7.1-cuda-12.8.1", Label: "a label to find it by", DiskGB: 20,
//	})
//	if vast.Uncertain(err) {
//		// It may exist: look for the label before anything else.
//	}
//
// # What is repeated
//
// Each operation says in the table of [Operations] what may be done with it.
//
//   - [InstanceService.Create] is sent at most once, on a connection of its
//     own that net/http cannot repeat it on either.
//   - An answer 429 means refused before it ran. Everything but Create is
//     then sent again, after the time in the Retry-After header, else in the
//     body, else 2, 4 and 8 seconds.
//   - A status of 500 or above, and a lost answer, are followed by another
//     try after 0.5, 1 and 2 seconds, or the time in Retry-After, if the
//     operation is repeatable: all that read, Stop, SetLabel, Destroy, Attach
//     and Detach. Start, Reboot and Add are not.
//   - An empty or unreadable answer of a repeatable operation: once more.
//
// There are at most three further tries. A wait that is longer than a minute,
// or that would not end before the deadline of the context, does not begin:
// the error comes back at once, with the wait in RetryAfter if it is
// Throttled. A single try takes a minute at most. Redirects are followed once,
// by reads, within the same origin.
//
// # What goes first
//
// With a pace, calls wait their turn. What stops or destroys goes ahead of all
// that waits, and so does everything that [Client.Urgent] sends.
//
// # Errors
//
// Every failed call returns an [Error]. Test for its [Code] with errors.Is,
// as in errors.Is(err, vast.Taken), and ask [Uncertain] after each failed
// change. No error, log line or address ever holds the key.
package vast
