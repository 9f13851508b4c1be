package doctor

// CheckRoom judges a folder with that many free bytes.
func CheckRoom(dir string, free uint64) Check { return checkRoom(dir, free) }
