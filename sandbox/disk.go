package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// disk is what a container has on its disk: a few files that follow from its
// id, without those that were removed.
type disk struct {
	host    string // path before the container's own
	written time.Time
	files   map[string]int64 // bytes, by path
	removed []string
}

func (c *contract) disk() *disk {
	d := newDice(uint64(c.ID), "disk")
	k := &disk{host: c.writeablePath(), written: c.Created, removed: c.Removed, files: map[string]int64{}}
	if c.Pulled {
		k.files = map[string]int64{
			"/etc/hostname":                    13,
			"/root/.bashrc":                    3106,
			"/root/.ssh/authorized_keys":       int64(120 * len(c.SSHKeys)),
			"/var/log/onstart.log":             d.Int64N(20_000),
			"/workspace/README.md":             400 + d.Int64N(2000),
			"/workspace/data/train.parquet":    1e8 + d.Int64N(1e9),
			"/workspace/checkpoints/step-1.pt": 2e9 + d.Int64N(1e9),
			"/workspace/checkpoints/step-2.pt": 2e9 + d.Int64N(1e9),
		}
	}
	for file := range k.files {
		if slices.ContainsFunc(k.removed, func(gone string) bool { return within(gone, file) }) {
			delete(k.files, file)
		}
	}
	return k
}

// within is true of a folder itself, too.
func within(folder, file string) bool {
	return file == folder || strings.HasPrefix(file, strings.TrimSuffix(folder, "/")+"/")
}

// run prints what the command would.
func (d *disk) run(name string, args []string) []string {
	flags, paths := "", []string{}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			flags += arg
		} else {
			paths = append(paths, path.Clean("/"+arg))
		}
	}
	if len(paths) == 0 && name != "rm" {
		paths = []string{"/"}
	}
	var lines []string
	for _, at := range paths {
		names := d.list(at)
		switch _, isFile := d.files[at]; {
		case names == nil && !isFile && at != "/":
			lines = append(lines, d.missing(name, at, flags)...)
		case name == "rm":
			lines = append(lines, d.remove(at, isFile || strings.ContainsAny(flags, "rR"))...)
		case name == "du":
			lines = append(lines, d.usage(at, flags)...)
		default:
			lines = append(lines, d.listing(at, names, strings.Contains(flags, "l"))...)
		}
	}
	return lines
}

func (d *disk) missing(name, at, flags string) []string {
	switch {
	case name == "rm" && strings.Contains(flags, "f"):
		return nil
	case name == "rm":
		return []string{fmt.Sprintf("rm: cannot remove '%s': No such file or directory", d.host+at)}
	default:
		return []string{fmt.Sprintf("%s: cannot access '%s': No such file or directory", name, d.host+at)}
	}
}

func (d *disk) remove(at string, may bool) []string {
	if !may {
		return []string{fmt.Sprintf("rm: cannot remove '%s': Is a directory", d.host+at)}
	}
	d.removed = append(slices.Clone(d.removed), at)
	return nil
}

// list names what is in a folder, in order; nil where it is none.
func (d *disk) list(folder string) []string {
	var names []string
	for file := range d.files {
		if file != folder && within(folder, file) {
			rest := strings.TrimPrefix(strings.TrimPrefix(file, folder), "/")
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (d *disk) listing(at string, names []string, long bool) []string {
	if _, isFile := d.files[at]; isFile {
		names = []string{d.host + at}
	}
	if !long {
		return names
	}
	lines := []string{fmt.Sprintf("total %d", d.size(at)/1024)}
	for _, name := range names {
		kind, size := "drwxr-xr-x 2", int64(4096)
		if bytes, isFile := d.files[path.Join(at, strings.TrimPrefix(name, d.host+at))]; isFile {
			kind, size = "-rw-r--r-- 1", bytes
		}
		lines = append(lines, fmt.Sprintf("%s root root %d %s %s", kind, size, d.written.Format("Jan _2 15:04"), name))
	}
	return lines
}

func (d *disk) size(at string) int64 {
	sum := int64(0)
	for file, bytes := range d.files {
		if within(at, file) {
			sum += bytes
		}
	}
	return sum
}

// usage prints the folders below, deepest first, or with -s their sum.
func (d *disk) usage(at, flags string) []string {
	var lines []string
	if !strings.Contains(flags, "s") {
		for _, name := range d.list(at) {
			if below := path.Join(at, name); d.list(below) != nil {
				lines = append(lines, d.usage(below, flags)...)
			}
		}
	}
	size := fmt.Sprint(d.size(at) / 1024)
	if strings.Contains(flags, "h") {
		size = fmt.Sprintf("%.1fM", float64(d.size(at))/(1<<20))
	}
	return append(lines, size+"\t"+d.host+at)
}
