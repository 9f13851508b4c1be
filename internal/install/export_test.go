package install

// ReplaceAfter replaces the file at path, and lets meanwhile happen between
// reading and writing.
func ReplaceAfter(path string, data []byte, meanwhile func()) error {
	f, err := read(path)
	if err != nil {
		return err
	}
	meanwhile()
	return f.replace(data, path+backupSuffix)
}
