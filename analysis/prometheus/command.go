package prometheus

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

const (
	// commandTime bounds a token command.
	commandTime = 30 * time.Second
	// maxToken is the longest output of a token command that is read, in bytes.
	maxToken = 64 << 10
	// maxTail is how much of its standard error is kept, in bytes: the end,
	// since that is where programs say why they give up.
	maxTail = 1 << 10
)

// tokenCommand is a program that prints a token.
type tokenCommand struct {
	root    string // the key that the settings stand under
	path    string
	args    []string
	secrets *redactor
	limit   time.Duration
}

// run executes the program. What it prints on standard output is the token
// and never in an error, not even in part; the end of its standard error is.
func (c tokenCommand) run(ctx context.Context) (string, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	out, tail := &head{left: maxToken}, &tail{}
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Stdout, cmd.Stderr = out, tail
	cmd.WaitDelay = 2 * time.Second // for what it leaves behind with its standard output open
	err := cmd.Run()
	token := strings.TrimSpace(out.String())
	c.secrets.add(token)
	c.secrets.add(strings.Fields(token)...)
	switch {
	case ctx.Err() != nil:
		return "", time.Time{}, c.fault(fmt.Sprintf("it did not end within %s", c.limit), tail)
	case errors.Is(err, exec.ErrWaitDelay):
	case err != nil:
		return "", time.Time{}, c.fault(err.Error(), tail)
	}
	switch {
	case token == "":
		return "", time.Time{}, c.fault("it printed nothing", tail)
	case out.left < 0:
		return "", time.Time{}, c.fault("it printed more than 64 KiB", tail)
	case strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || r < ' ' || r > '~' }):
		return "", time.Time{}, c.fault("it printed something that is not one token", tail)
	}
	return token, until(time.Now()), nil
}

// fault names the program without its arguments, among which may be secrets.
func (c tokenCommand) fault(text string, tail *tail) error {
	text = "running " + c.root + ".bearer.tokenCommand (" + filepath.Base(c.path) + "): " + text
	if said := printable(c.secrets.replace(tail.String())); said != "" {
		text += "; its standard error ends with: " + said
	}
	return &credentialError{text: text, hint: "run it by hand: it has to print the token and nothing else"}
}

// printable puts text on one line.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// head keeps the beginning of what is written to it.
type head struct {
	data []byte
	left int // negative: there was more
}

func (h *head) String() string { return string(h.data) }

func (h *head) Write(p []byte) (int, error) {
	h.data = append(h.data, p[:min(len(p), max(h.left, 0))]...)
	h.left = max(h.left-len(p), -1)
	return len(p), nil
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	t.data = t.data[max(0, len(t.data)-maxTail):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.data) }
