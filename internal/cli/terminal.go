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
	return &terminal{in: reads, out: writes}, func() { _, _ = reads.Close(), writes.Close() }, nil
}

// typed is what came from the keyboard.
type typed struct {
	text []byte
	err  error
}

// ask prints the question and waits for what read returns, or for the end of ctx,
// after which the terminal is as it was before.
func (t *terminal) ask(ctx context.Context, question string, read func() ([]byte, error)) ([]byte, error) {
	before, err := term.GetState(int(t.in.Fd()))
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprint(t.out, question)
	answers := make(chan typed, 1)
	go func() {
		text, err := read()
		answers <- typed{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		_, _ = fmt.Fprintln(t.out)
		return nil, errors.Join(ctx.Err(), term.Restore(int(t.in.Fd()), before))
	}
}

// secret reads a line that is not shown.
func (t *terminal) secret(ctx context.Context, question string) ([]byte, error) {
	text, err := t.ask(ctx, question, func() ([]byte, error) { return term.ReadPassword(int(t.in.Fd())) })
	_, _ = fmt.Fprintln(t.out)
	return text, err
}

// yes asks a question that only y and yes say yes to.
func (t *terminal) yes(ctx context.Context, question string) (bool, error) {
	line, err := t.ask(ctx, question+" [y/N] ", func() ([]byte, error) { return bufio.NewReader(t.in).ReadBytes('\n') })
	word := strings.ToLower(strings.TrimSpace(string(line)))
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
