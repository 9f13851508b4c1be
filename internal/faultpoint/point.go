package faultpoint

// Point is a place on the money path, named after what has just been done.
type Point string

// The points, in the order in which a rental, a start and an end come by.
const (
	Quoted     Point = "quoted"     // a quote is on disk
	Approved   Point = "approved"   // the yes is on disk
	Redeemed   Point = "redeemed"   // the intent is on disk
	Sent       Point = "sent"       // that the order goes out is on disk, and it has not gone out
	Ordered    Point = "ordered"    // the order's answer was read, and nothing written
	Answered   Point = "answered"   // the answer is on disk, and nobody has looked
	Seen       Point = "seen"       // the machine was seen, and nothing written
	Rented     Point = "rented"     // that it is rented is on disk, and nobody was told
	Told       Point = "told"       // what the caller is told is on disk
	Labelled   Point = "labelled"   // the lease of a start was written and read back, and the start not sent
	Started    Point = "started"    // the start was sent, and nothing written
	Extending  Point = "extending"  // an extension is on disk, and its label not written
	Relabelled Point = "relabelled" // its label was written and read back, and nothing recorded
	Stopping   Point = "stopping"   // a stop was sent, and nothing seen
	Deleting   Point = "deleting"   // a removal was sent, and nothing seen
	Undoing    Point = "undoing"    // likewise, of what an order made in vain
)

// Points lists every point.
func Points() []Point {
	return []Point{
		Quoted, Approved, Redeemed, Sent, Ordered, Answered, Seen, Rented, Told,
		Labelled, Started, Extending, Relabelled, Stopping, Deleting, Undoing,
	}
}
