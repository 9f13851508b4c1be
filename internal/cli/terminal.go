package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// terminal is where a person can be asked.
type terminal struct {
	in  *os.File
	out io.Writer

	keys *term.Terminal // keeps what was typed ahead
}

func newTerminal(in *os.File, out io.Writer) *terminal {
	return &terminal{in: in, out: out, keys: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")}
}

// errNoTerminal says why nothing was asked.
var errNoTerminal = errors.New("this needs a terminal, for a person to type at: run it in one yourself")

// controlling opens the terminal that the process was started from, wherever
// its streams lead: what a pipe says is never the word of whoever sits there.
func controlling() (t *terminal, shut func(), err error) {
	in, out := "/dev/tty", "/dev/tty"
	if runtime.GOOS == "windows" {
		in, out = "CONIN$", "CONOUT$"
	}
	reads, err := os.OpenFile(in, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", errNoTerminal, err)
	}
	writes, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil || !term.IsTerminal(int(reads.Fd())) {
		_ = reads.Close()
		return nil, nil, errNoTerminal
	}
	return newTerminal(reads, writes), func() { _, _ = reads.Close(), writes.Close() }, nil
}

// typed is what came from the keyboard.
type typed struct {
	text string
	err  error
}

// ask waits for what read returns, or for the end of ctx. The terminal is then
// as it was before.
func (t *terminal) ask(ctx context.Context, before *term.State, read func() (string, error)) (text string, err error) {
	defer func() { err = errors.Join(err, term.Restore(int(t.in.Fd()), before)) }()
	answers := make(chan typed, 1)
	go func() {
		text, err := read()
		answers <- typed{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// secret reads a line that is not shown. It is asked for only once the terminal
// shows nothing any more, so that whoever types fast is safe too.
func (t *terminal) secret(ctx context.Context, question string) ([]byte, error) {
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return nil, err
	}
	text, err := t.ask(ctx, before, func() (string, error) { return t.keys.ReadPassword(question) })
	if errors.Is(err, io.EOF) {
		err = errors.New("nothing was typed") // Ctrl-C and Ctrl-D are keys here
	}
	return []byte(text), err
}

// yes asks a question that only y and yes say yes to.
func (t *terminal) yes(ctx context.Context, question string) (bool, error) {
	before, err := term.GetState(int(t.in.Fd()))
	if err != nil {
		return false, err
	}
	_, _ = fmt.Fprint(t.out, question+" [y/N] ")
	line, err := t.ask(ctx, before, func() (string, error) { return bufio.NewReader(t.in).ReadString('\n') })
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	word := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (word == "y" || word == "yes"), err
}

// confirm shows a plan on the controlling terminal and asks for a yes.
func confirm(ctx context.Context, plan string) (bool, error) {
	t, shut, err := controlling()
	if err != nil {
		return false, err
	}
	defer shut()
	_, _ = fmt.Fprint(t.out, plan)
	return t.yes(ctx, "The journal is out of order. Approve this here?")
}
